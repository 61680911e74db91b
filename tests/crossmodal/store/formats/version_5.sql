BEGIN TRANSACTION;
CREATE TABLE catalogues (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    location TEXT NOT NULL,
    added_at REAL NOT NULL,
    completed_at REAL
, began_at REAL) STRICT, WITHOUT ROWID;
INSERT INTO "catalogues" VALUES('made up','csv','made_up.csv',1.79595289632068371779e+09,1.0,NULL);
CREATE TABLE embeddings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    model_no INTEGER NOT NULL REFERENCES models (model_no) ON DELETE CASCADE,
    checksum BLOB NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (item_id, model_no)
) STRICT;
INSERT INTO "embeddings" VALUES(1,1,1,X'32A5AB3262D5A62DC437596559DD734AD7884129940D894C97015F61C0EDFFAE',X'E5ABCD3E7F60953EBEFD5DBE3396C7BE2D9C44BE1994503C235B37BFCB088ABD');
INSERT INTO "embeddings" VALUES(2,2,1,X'138BF6E7FF5DB9498775868BDE88DFEC534EBAF66E400416ACD285467A801CAC',X'EFFCD1BE7D42E33E12938E3E000E663EC4D7B13C08CED53EF50010BFC0D6FEBD');
INSERT INTO "embeddings" VALUES(3,3,1,X'16B88A1DFA5A7D3D5146A417FE5AE3DE62120D9736BED40300A02AC461AC7689',X'E56B44BEC587E93E4ABC293EFA23A7BE1983133FC6723BBE6C7946BEB810EFBE');
INSERT INTO "embeddings" VALUES(4,4,1,X'A00615C414375656368E952D89A5124EB0B65E111D3C6BE55ECD9A60318BE976',X'40A5FDBE76FC68BD3B4959BE90A1503FFFCF623DD31DB1BD61488DBD3AC527BE');
CREATE TABLE failures (
    key TEXT PRIMARY KEY,
    catalogue TEXT NOT NULL,
    location TEXT NOT NULL,
    title TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    remedy TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at REAL NOT NULL
) STRICT;
INSERT INTO "failures" VALUES('failed','made up','a.jpg','a','file_missing','It is not there.','Put it there.',1,1.0);
CREATE TABLE item_sources (
    row_no INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    catalogue TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    captions TEXT NOT NULL,
    attributes TEXT NOT NULL,
    held_out INTEGER NOT NULL,
    added_at REAL NOT NULL
) STRICT;
INSERT INTO "item_sources" VALUES(1,'made up 0',1,'made up','71bf242d69037040327d06ddfee12f756512d8387c2a0e68db55744d9624247e','thing 0 649415749','pictures/0.jpg','["first words of 0", "other words of 0"]','{"number": "0"}',1,1.79595289638444876667e+09);
INSERT INTO "item_sources" VALUES(2,'made up 1',2,'made up','d1378977637152cebeb73415f7d6b06b8ae83fac07f8dbe5747b816b7fef2503','thing 1 869025247','pictures/1.jpg','["first words of 1", "other words of 1"]','{"number": "1"}',0,1.79595289638533115381e+09);
INSERT INTO "item_sources" VALUES(3,'made up 2',3,'made up','07d21966e1f51852a29cc1d44662da8a4fe43c6fa4ca98c927e663772cb85adc','thing 2 813189292','pictures/2.jpg','["first words of 2", "other words of 2"]','{"number": "2"}',0,1795952896.3858);
INSERT INTO "item_sources" VALUES(4,'made up 3',4,'made up','7a131b99cd75d9b787c17b3c97b441a2832fed75a65eebd94beb478edc00b62d','thing 3 332201542','pictures/3.jpg','["first words of 3", "other words of 3"]','{"number": "3"}',0,1.79595289638610696794e+09);
CREATE TABLE item_texts (
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    text_id INTEGER NOT NULL REFERENCES texts (text_id),
    PRIMARY KEY (item_id, ordinal)
) STRICT, WITHOUT ROWID;
INSERT INTO "item_texts" VALUES(1,0,1);
INSERT INTO "item_texts" VALUES(1,1,2);
INSERT INTO "item_texts" VALUES(2,0,3);
INSERT INTO "item_texts" VALUES(2,1,4);
INSERT INTO "item_texts" VALUES(3,0,5);
INSERT INTO "item_texts" VALUES(3,1,6);
INSERT INTO "item_texts" VALUES(4,0,7);
INSERT INTO "item_texts" VALUES(4,1,8);
CREATE TABLE items (
    item_id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    catalogue TEXT NOT NULL,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    captions TEXT NOT NULL,
    attributes TEXT NOT NULL,
    held_out INTEGER NOT NULL,
    content_hash TEXT NOT NULL REFERENCES pictures (content_hash),
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    added_at REAL NOT NULL,
    removed_at REAL
, edited INTEGER NOT NULL DEFAULT 0, vanished INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "items" VALUES(1,'made up 0','made up','thing 0 649415749','pictures/0.jpg','["first words of 0", "other words of 0"]','{"number": "0"}',1,'71bf242d69037040327d06ddfee12f756512d8387c2a0e68db55744d9624247e',240,160,1.79595289638444876667e+09,NULL,0,0);
INSERT INTO "items" VALUES(2,'made up 1','made up','thing 1 869025247','pictures/1.jpg','["first words of 1", "other words of 1"]','{"number": "1"}',0,'d1378977637152cebeb73415f7d6b06b8ae83fac07f8dbe5747b816b7fef2503',241,160,1.79595289638533115381e+09,NULL,0,0);
INSERT INTO "items" VALUES(3,'made up 2','made up','thing 2 813189292','pictures/2.jpg','["first words of 2", "other words of 2"]','{"number": "2"}',0,'07d21966e1f51852a29cc1d44662da8a4fe43c6fa4ca98c927e663772cb85adc',242,160,1795952896.3858,NULL,0,0);
INSERT INTO "items" VALUES(4,'made up 3','made up','thing 3 332201542','pictures/3.jpg','["first words of 3", "other words of 3"]','{"number": "3"}',0,'7a131b99cd75d9b787c17b3c97b441a2832fed75a65eebd94beb478edc00b62d',243,160,1.79595289638610696794e+09,1.79595289639945387841e+09,0,0);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('created_at','1795952896.2700562');
INSERT INTO "meta" VALUES('store_uuid','3eb32cbe-63cd-4597-9781-b0f8bd280aeb');
CREATE TABLE models (
    model_no INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id TEXT NOT NULL UNIQUE,
    embed_dim INTEGER NOT NULL,
    added_at REAL NOT NULL
) STRICT;
INSERT INTO "models" VALUES(1,'48168fa99cb7e014e77dbf4af79fc5b2a50caac8e820883ea7326f88bc713ac9',8,1.79595289638408446312e+09);
CREATE TABLE pictures (
    content_hash TEXT PRIMARY KEY,
    thumbnail_checksum BLOB,
    rendition_checksum BLOB NOT NULL,
    thumbnail BLOB,
    rendition BLOB NOT NULL
) STRICT;
INSERT INTO "pictures" VALUES('71bf242d69037040327d06ddfee12f756512d8387c2a0e68db55744d9624247e',X'F4E4896B9135A9DBE039DA80D024C8068B3B7AF87A308E53ADB33FC1E23F62C0',X'FC2EC956400712D9892A275271254FCF6034C8F8618DF9200008E1C2B575FF90',X'5F82C2D9CFEB0FA321D7',X'5F82C2D9CFEB0FA321D7D982F8BD1045B8E8CD4EA93D7D0A1DF04213B6273B043B51DE2C787A32D0');
INSERT INTO "pictures" VALUES('d1378977637152cebeb73415f7d6b06b8ae83fac07f8dbe5747b816b7fef2503',X'7E109951CEFA6A365642AFDEC65C4C0BC99322D2129BB8173A09BD8A6446B6B5',X'169FF20313AF1847BD888EC8916639760EDABE37E8315C281EBDC614389647CE',X'FFE42279F3BD068366A8',X'FFE42279F3BD068366A852C1BB9651F3CD18EC08F6A4E724D26FACD2AEB0DAF2A972CD3FA02FD44F');
INSERT INTO "pictures" VALUES('07d21966e1f51852a29cc1d44662da8a4fe43c6fa4ca98c927e663772cb85adc',X'A70B6183CE7530363C4B4F048AF5E2996327996A34AECC1184BDEE76A8C71072',X'8C7073B5F57BAD2BCCA64A68BF639D257AD1EDF977DFAA7B2EFC911DAFF735B4',X'C1586BD64803F9426471',X'C1586BD64803F9426471FB1B63EA694C1EB1EF691F1971D0FD6F86739DCD8717D5E4BA552530A099');
INSERT INTO "pictures" VALUES('7a131b99cd75d9b787c17b3c97b441a2832fed75a65eebd94beb478edc00b62d',X'3688ECADDAF1647D20D0B06BA24E0BD30E7112B876FCD919B2CC0E0C66CE8121',X'9B2369B141F86DB880967E738C8F8070E78D2B4B44AFC8E3B20DC794556D0B8A',X'F8C2BECF931AED15F5D3',X'F8C2BECF931AED15F5D3EF2D059D9F3C36EC6D2EC75220CD240786DE399208950E0F160A90D01818');
CREATE TABLE refused (key TEXT PRIMARY KEY, catalogue TEXT NOT NULL, content_hash TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE removals (seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL UNIQUE) STRICT;
INSERT INTO "removals" VALUES(1,4);
CREATE TABLE text_embeddings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    text_id INTEGER NOT NULL REFERENCES texts (text_id) ON DELETE CASCADE,
    model_no INTEGER NOT NULL REFERENCES models (model_no) ON DELETE CASCADE,
    checksum BLOB NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (text_id, model_no)
) STRICT;
CREATE TABLE text_removals (seq INTEGER PRIMARY KEY AUTOINCREMENT, text_id INTEGER NOT NULL UNIQUE) STRICT;
INSERT INTO "text_removals" VALUES(1,7);
INSERT INTO "text_removals" VALUES(2,8);
CREATE TABLE texts (text_id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO "texts" VALUES(1,'first words of 0');
INSERT INTO "texts" VALUES(2,'other words of 0');
INSERT INTO "texts" VALUES(3,'first words of 1');
INSERT INTO "texts" VALUES(4,'other words of 1');
INSERT INTO "texts" VALUES(5,'first words of 2');
INSERT INTO "texts" VALUES(6,'other words of 2');
INSERT INTO "texts" VALUES(7,'first words of 3');
INSERT INTO "texts" VALUES(8,'other words of 3');
CREATE INDEX items_by_content ON items (content_hash);
CREATE INDEX items_by_catalogue ON items (catalogue) WHERE removed_at IS NULL;
CREATE INDEX items_removed ON items (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX embeddings_by_model ON embeddings (model_no);
CREATE INDEX failures_by_catalogue ON failures (catalogue);
CREATE INDEX item_texts_by_text ON item_texts (text_id);
CREATE INDEX text_embeddings_by_model ON text_embeddings (model_no);
CREATE INDEX item_sources_by_item ON item_sources (item_id);
CREATE INDEX item_sources_by_catalogue ON item_sources (catalogue, item_id);
CREATE INDEX item_sources_by_content ON item_sources (content_hash, catalogue);
CREATE INDEX refused_by_content ON refused (content_hash, catalogue) WHERE content_hash IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (
    title, captions, attributes, files, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
INSERT INTO "words" (rowid, title, captions, attributes, files) VALUES(1,'thing 0 649415749','first words of 0
other words of 0','0','pictures/0.jpg');
INSERT INTO "words" (rowid, title, captions, attributes, files) VALUES(2,'thing 1 869025247','first words of 1
other words of 1','1','pictures/1.jpg');
INSERT INTO "words" (rowid, title, captions, attributes, files) VALUES(3,'thing 2 813189292','first words of 2
other words of 2','2','pictures/2.jpg');
CREATE VIEW item_words AS SELECT
    items.item_id,
    items.title,
    coalesce((SELECT group_concat(value, char(10)) FROM json_each(CASE WHEN json_valid(items.captions) THEN items.captions ELSE '[]' END) WHERE type = 'text'), '') AS captions,
    coalesce((SELECT group_concat(value, char(10)) FROM json_each(CASE WHEN json_valid(items.attributes) THEN items.attributes ELSE '[]' END) WHERE type = 'text'), '') AS attributes,
    coalesce((SELECT group_concat(CASE WHEN source LIKE 'http%://%' THEN substr(source, instr(substr(source, 9), '/') + 9) ELSE source END, char(10))
    FROM item_sources WHERE item_sources.item_id = items.item_id), '') AS files
    FROM items WHERE removed_at IS NULL;
CREATE TRIGGER words_of_new_row AFTER INSERT ON item_sources BEGIN DELETE FROM words WHERE rowid IN (new.item_id); INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words WHERE item_id IN (new.item_id); END;
CREATE TRIGGER words_of_changed_row AFTER UPDATE OF item_id, source ON item_sources
    WHEN old.item_id <> new.item_id OR old.source <> new.source BEGIN DELETE FROM words WHERE rowid IN (old.item_id, new.item_id); INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words WHERE item_id IN (old.item_id, new.item_id); END;
CREATE TRIGGER words_of_deleted_row AFTER DELETE ON item_sources BEGIN DELETE FROM words WHERE rowid IN (old.item_id); INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words WHERE item_id IN (old.item_id); END;
CREATE TRIGGER words_of_changed_item AFTER UPDATE OF title, captions, attributes, removed_at ON items
    WHEN old.title <> new.title OR old.captions <> new.captions OR old.attributes <> new.attributes
        OR (old.removed_at IS NULL) <> (new.removed_at IS NULL) BEGIN DELETE FROM words WHERE rowid IN (new.item_id); INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words WHERE item_id IN (new.item_id); END;
CREATE TRIGGER words_of_deleted_item AFTER DELETE ON items BEGIN DELETE FROM words WHERE rowid = old.item_id; END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('texts',8);
INSERT INTO "sqlite_sequence" VALUES('text_removals',2);
INSERT INTO "sqlite_sequence" VALUES('models',1);
INSERT INTO "sqlite_sequence" VALUES('items',4);
INSERT INTO "sqlite_sequence" VALUES('embeddings',4);
INSERT INTO "sqlite_sequence" VALUES('removals',1);
COMMIT;
PRAGMA application_id = 1481458497;
PRAGMA user_version = 5;
