"""The tables of the catalog, format by format. Plain data: `schema` brings a file up to date with it."""

VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE catalogues (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    location TEXT NOT NULL,
    added_at REAL NOT NULL,
    completed_at REAL
) STRICT, WITHOUT ROWID;

-- The thumbnail lies before the rendition, so that reading it does not walk through the rendition's pages.
CREATE TABLE pictures (
    content_hash TEXT PRIMARY KEY,
    thumbnail_checksum BLOB,
    rendition_checksum BLOB NOT NULL,
    thumbnail BLOB,
    rendition BLOB NOT NULL
) STRICT;

-- AUTOINCREMENT: an id is never used twice, so a reader that missed a removal can never show another item in its place.
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
) STRICT;
CREATE INDEX items_by_content ON items (content_hash);
CREATE INDEX items_by_catalogue ON items (catalogue) WHERE removed_at IS NULL;
CREATE INDEX items_removed ON items (removed_at) WHERE removed_at IS NOT NULL;

CREATE TABLE models (
    model_no INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id TEXT NOT NULL UNIQUE,
    embed_dim INTEGER NOT NULL,
    added_at REAL NOT NULL
) STRICT;

-- `seq` is the feed: whatever is new or replaced has a higher one.
CREATE TABLE embeddings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    model_no INTEGER NOT NULL REFERENCES models (model_no) ON DELETE CASCADE,
    checksum BLOB NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (item_id, model_no)
) STRICT;
CREATE INDEX embeddings_by_model ON embeddings (model_no);

CREATE TABLE removals (seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL UNIQUE) STRICT;

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
CREATE INDEX failures_by_catalogue ON failures (catalogue);
"""

# What the items of version 1 say: their captions, or their title where they have none; each text once.
_SAID = """
WITH heard AS (
    SELECT items.item_id, CAST(MIN(caption.key) AS INTEGER) AS ordinal, caption.value AS text
    FROM items, json_each(
        CASE WHEN NOT json_valid(items.captions) THEN '[]' WHEN json_type(items.captions) = 'array' THEN items.captions ELSE '[]' END
    ) AS caption
    WHERE caption.type = 'text' AND trim(caption.value) <> '' GROUP BY items.item_id, caption.value
), said AS (
    SELECT item_id, ordinal, text FROM heard
    UNION ALL SELECT item_id, 0, title FROM items WHERE trim(title) <> '' AND item_id NOT IN (SELECT item_id FROM heard)
)
"""

VERSION_2 = f"""
-- Whether a person changed title or attributes by hand: then no reading of a catalogue changes them back.
ALTER TABLE items ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;

-- Each different text once, however many items say it.
CREATE TABLE texts (text_id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE item_texts (
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    text_id INTEGER NOT NULL REFERENCES texts (text_id),
    PRIMARY KEY (item_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_texts_by_text ON item_texts (text_id);

-- A second feed, as `embeddings` and `removals` are the first.
CREATE TABLE text_embeddings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    text_id INTEGER NOT NULL REFERENCES texts (text_id) ON DELETE CASCADE,
    model_no INTEGER NOT NULL REFERENCES models (model_no) ON DELETE CASCADE,
    checksum BLOB NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (text_id, model_no)
) STRICT;
CREATE INDEX text_embeddings_by_model ON text_embeddings (model_no);
CREATE TABLE text_removals (seq INTEGER PRIMARY KEY AUTOINCREMENT, text_id INTEGER NOT NULL UNIQUE) STRICT;

INSERT INTO texts (text) {_SAID.strip()} SELECT DISTINCT text FROM said;
INSERT INTO item_texts (item_id, ordinal, text_id) {_SAID.strip()} SELECT item_id, ordinal, text_id FROM said JOIN texts USING (text);
INSERT INTO text_removals (text_id) SELECT text_id FROM texts WHERE NOT EXISTS (
    SELECT 1 FROM item_texts JOIN items USING (item_id) WHERE item_texts.text_id = texts.text_id AND removed_at IS NULL
);
"""

VERSION_3 = """
-- Whether an item was removed because its row vanished: such an item comes back with the row; one that a person removed stays away.
ALTER TABLE items ADD COLUMN vanished INTEGER NOT NULL DEFAULT 0;
UPDATE items SET vanished = 1 WHERE removed_at IS NOT NULL AND item_id IN (
    SELECT gone.value FROM meta, json_each(CASE WHEN json_valid(meta.value) THEN meta.value ELSE '[]' END) AS gone
    WHERE meta.key LIKE 'vanished from %'
);
DELETE FROM meta WHERE key LIKE 'vanished from %';

-- Rows whose item a person removed, when the item itself is forgotten.
CREATE TABLE refused (key TEXT PRIMARY KEY, catalogue TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- When the reading began that last came to its end: a file that changed after that has not been read whole.
ALTER TABLE catalogues ADD COLUMN began_at REAL;
"""

VERSION_4 = """
-- The rows of sources that show an item's picture, each with its own words. Key and words of the item are theirs joined; those of the
-- oldest row come first.
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
CREATE INDEX item_sources_by_item ON item_sources (item_id);
CREATE INDEX item_sources_by_catalogue ON item_sources (catalogue, item_id);
CREATE INDEX item_sources_by_content ON item_sources (content_hash, catalogue);
INSERT INTO item_sources (key, item_id, catalogue, content_hash, title, source, captions, attributes, held_out, added_at)
    SELECT key, item_id, catalogue, content_hash, title, source, captions, attributes, held_out, added_at FROM items ORDER BY item_id;

-- What a purged item showed, so that it stays away when its source moves; NULL for what was purged before this format.
ALTER TABLE refused ADD COLUMN content_hash TEXT;
CREATE INDEX refused_by_content ON refused (content_hash, catalogue) WHERE content_hash IS NOT NULL;
"""

# Origins are paths within their source, or addresses, of which the host says nothing about the picture.
_FILE_NAMES = """
SELECT group_concat(CASE WHEN source LIKE 'http%://%' THEN substr(source, instr(substr(source, 9), '/') + 9) ELSE source END, char(10))
    FROM item_sources WHERE item_sources.item_id = items.item_id
"""


def _values_of(column: str) -> str:
    """The texts in a column of JSON, a line each; none where it is damaged."""
    sound = f"CASE WHEN json_valid(items.{column}) THEN items.{column} ELSE '[]' END"
    return f"SELECT group_concat(value, char(10)) FROM json_each({sound}) WHERE type = 'text'"


def _written_anew(items: str) -> str:
    """The statements that bring the words of some items up to date."""
    return (
        f"DELETE FROM words WHERE rowid IN ({items});"
        f" INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words WHERE item_id IN ({items});"
    )


VERSION_5 = f"""
-- What a text search reads of each item that is there. Marks belong to their word (Thai, Hindi); "cafe" finds "Café".
CREATE VIEW item_words AS SELECT
    items.item_id,
    items.title,
    coalesce(({_values_of("captions")}), '') AS captions,
    coalesce(({_values_of("attributes")}), '') AS attributes,
    coalesce(({_FILE_NAMES.strip()}), '') AS files
    FROM items WHERE removed_at IS NULL;
CREATE VIRTUAL TABLE words USING fts5 (
    title, captions, attributes, files, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);
INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words;

-- Triggers, so that no way of changing an item leaves its words behind. A new item's are written with its first row.
CREATE TRIGGER words_of_new_row AFTER INSERT ON item_sources BEGIN {_written_anew("new.item_id")} END;
CREATE TRIGGER words_of_changed_row AFTER UPDATE OF item_id, source ON item_sources
    WHEN old.item_id <> new.item_id OR old.source <> new.source BEGIN {_written_anew("old.item_id, new.item_id")} END;
CREATE TRIGGER words_of_deleted_row AFTER DELETE ON item_sources BEGIN {_written_anew("old.item_id")} END;
CREATE TRIGGER words_of_changed_item AFTER UPDATE OF title, captions, attributes, removed_at ON items
    WHEN old.title <> new.title OR old.captions <> new.captions OR old.attributes <> new.attributes
        OR (old.removed_at IS NULL) <> (new.removed_at IS NULL) BEGIN {_written_anew("new.item_id")} END;
CREATE TRIGGER words_of_deleted_item AFTER DELETE ON items BEGIN DELETE FROM words WHERE rowid = old.item_id; END;
"""

MIGRATIONS: tuple[str, ...] = (VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5)
"""Statement i leads from version i to i + 1. A released one is never changed, only followed by another."""
