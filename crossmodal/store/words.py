"""The words of items as text (`store.words`): which items have the words of a query, ranked by BM25.

The table `words` (SQLite FTS5) is kept by triggers, in the transaction that changes an item; see `migrations.VERSION_5`.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from crossmodal.items import WordHit
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import storable
from crossmodal.text.cleaning import FUNCTION_WORDS, words

_MOST_TERMS = 32
# BM25 of one row takes about 2 microseconds. A word with more rows than are left is looked up among the items of rarer words only; where
# there is no rarer one, only items with all words count (or else those with the rarest), all alike, the oldest so many.
_MOST_ROWS = 2_000
_ALL = -1
_COLUMN_WEIGHTS = "4.0, 2.0, 1.0, 0.25"  # title, captions, attributes, files
# The most that BM25 gives for a word, as a multiple of its inverse document frequency: k1 + 1, and k1 is 1.2 in FTS5.
_MOST_GAIN = 2.2
_USUAL_GAIN = 0.75  # of a word in a title


class Words:
    """Titles, captions, values of attributes, and file and folder names of the items."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, text: str, limit: int, *, allowed: npt.ArrayLike | None = None) -> list[WordHit]:
        """The items that have words of a text, in singular or plural.

        First those with the text as their title, then those with all its words, then the others; each by BM25, equal ones by id.

        Args:
            text: any text; it has no syntax. Function words count only where there are no others; at most 32 words are looked for.
            allowed: (n,) ids to which the search is restricted; None allows all.
        """
        terms = _terms(text)
        with self._database.reading() as db:
            titles = _with_title(db, words(text), limit)
            scores, counts = _ranked(db, terms, most_rows=_MOST_ROWS if allowed is None else _ALL)
        scores |= dict.fromkeys(titles - scores.keys(), 0.0)
        found = scores if allowed is None else _among(scores, allowed)
        keys = (
            (item_id not in titles, item_id not in titles and counts[item_id] < len(terms), -scores[item_id], item_id)
            for item_id in found
        )
        best = heapq.nsmallest(limit, keys)
        return [WordHit(item_id, -negated, not is_partial, not is_other) for is_other, is_partial, negated, item_id in best]

    def having_all(self, text: str, *, allowed: npt.ArrayLike | None = None) -> list[int]:
        """Ids of the items that have all words of a text, however many, in no order; see `search`."""
        terms = _terms(text)
        if not terms:
            return []
        with self._database.reading() as db:
            found = [item_id for (item_id,) in db.execute(_IDS, (_all_of(terms),))]
        return found if allowed is None else _among(found, allowed)

    def known(self, terms: Iterable[str]) -> set[str]:
        """Those of some words that a title, a caption or an attribute has."""
        with self._database.reading() as db:
            return {term for term in terms if db.execute(_IS_KNOWN, ("{title captions attributes} : " + _quoted(term),)).fetchone()}

    def vocabulary(self) -> dict[str, int]:
        """Each word of the titles and captions, in lower case and without diacritics, with how many items have it (at least)."""
        with self._database.reading() as db:
            db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.words_of_columns USING fts5vocab (main, words, col)")
            rows = db.execute("SELECT term, MAX(doc) FROM temp.words_of_columns WHERE col IN ('title', 'captions') GROUP BY term")
            return dict(rows.fetchall())

    def disagreements(self) -> int:
        """How many items have other words here than in the table of items; 0 in a sound collection.

        Raises:
            StoreError: `index_corrupt`, the table itself is damaged; `rebuild` helps. Looked for where the collection can be written.
        """
        sql = (
            "SELECT COUNT(DISTINCT item_id) FROM (SELECT * FROM (SELECT * FROM item_words EXCEPT {0})"
            " UNION ALL SELECT * FROM ({0} EXCEPT SELECT * FROM item_words))"
        )
        with self._database.reading() as db:
            (count,) = db.execute(sql.format("SELECT rowid, title, captions, attributes, files FROM words")).fetchone()
        if self._database.access == "rw":
            with self._database.writing() as db:  # a command of FTS5, which changes nothing
                db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        return int(count)

    def rebuild(self) -> None:
        """Write all words anew from the items, also where the table is damaged."""
        with self._database.writing() as db:
            (table,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'words'").fetchone()
            db.execute("DROP TABLE words")
            db.execute(table)
            db.execute("INSERT INTO words (rowid, title, captions, attributes, files) SELECT * FROM item_words")


_COUNT = "SELECT COUNT(*) FROM words WHERE words MATCH ?"
_IS_KNOWN = "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1"
_IDS = "SELECT rowid FROM words WHERE words MATCH ?"
_SCORES = f"SELECT rowid, bm25(words, {_COLUMN_WEIGHTS}) FROM words WHERE words MATCH ?"


def _terms(text: str) -> list[str]:
    asked = list(dict.fromkeys(words(text)))
    return [word for word in asked if word not in FUNCTION_WORDS][:_MOST_TERMS] or asked[:_MOST_TERMS]


def _among(found: Collection[int], allowed: npt.ArrayLike) -> list[int]:
    ids = np.fromiter(found, dtype=np.int64, count=len(found))
    among: list[int] = ids[np.isin(ids, allowed)].tolist()
    return among


def _with_title(db: Connection, title: list[str], limit: int) -> set[int]:
    """Ids of up to `limit` items with this title."""
    phrase = _quoted(" ".join(title))
    rows = db.execute(f"{_IDS.replace('rowid', 'rowid, title')} LIMIT ?", (f"title : ^ {phrase}", limit))
    return {item_id for item_id, stored in rows if words(stored) == title}


def _ranked(db: Connection, terms: list[str], *, most_rows: int) -> tuple[dict[int, float], dict[int, int]]:
    """The items that have any of the terms: their scores, and how many of the terms they have.

    Args:
        most_rows: of items with all terms, where each of them has many.
    """
    (total,) = db.execute("SELECT COUNT(*) FROM words_docsize").fetchone()
    forms = {
        term: [(form, n) for form in _forms(term) if (n := db.execute(_COUNT, (_quoted(form),)).fetchone()[0])] for term in terms
    }
    numbers = {term: sum(n for _, n in found) for term, found in forms.items() if found}
    scores, counts = defaultdict[int, float](float), defaultdict[int, int](int)
    if numbers and min(numbers.values()) > _MOST_ROWS:
        for sought in (terms, [min(numbers, key=lambda term: (numbers[term], term))]):
            ids = [item_id for (item_id,) in db.execute(f"{_IDS} LIMIT ?", (_all_of(sought), most_rows))]
            if ids:
                gain = _USUAL_GAIN * sum(_idf(numbers[term], total) for term in sought)
                return dict.fromkeys(ids, gain), dict.fromkeys(ids, len(sought))
    rows_left, so_far = _MOST_ROWS, list[str]()
    for term in sorted(numbers, key=lambda term: (numbers[term], term)):
        gains = dict[int, float]()
        phrases = [_quoted(form) for form, _ in forms[term]]
        if numbers[term] > rows_left:
            either = f"({' OR '.join(phrases)}) AND ({' OR '.join(so_far)})"
            gains = {item_id: _USUAL_GAIN for (item_id,) in db.execute(_IDS, (either,))}
        else:
            for form, number in forms[term]:
                # Without FTS5's own inverse document frequency: a rare plural would count for more than the word that was typed.
                own = _MOST_GAIN * max(math.log((total - number + 0.5) / (number + 0.5)), 1e-6)
                for item_id, score in db.execute(_SCORES, (_quoted(form),)):
                    gains[item_id] = max(gains.get(item_id, 0.0), -score / own)
            rows_left -= numbers[term]
            so_far += phrases
        idf = _idf(numbers[term], total)
        for item_id, gain in gains.items():
            scores[item_id] += idf * gain
            counts[item_id] += 1
    return scores, counts


def _all_of(terms: list[str]) -> str:
    """A question of FTS5 for items that have all of the terms."""
    return " AND ".join(f"({' OR '.join(map(_quoted, _forms(term)))})" for term in terms)


def _idf(count: int, total: int) -> float:
    """Inverse document frequency, never negative."""
    return math.log1p(max(0.0, total - count + 0.5) / (count + 0.5))


def _quoted(text: str) -> str:
    """A text as a phrase of FTS5: inside quotation marks nothing has a meaning, and a doubled one is itself."""
    return '"' + storable(text).replace('"', '""') + '"'


def _forms(word: str) -> list[str]:
    """A word, and its English singular and plural by their usual endings: those that no item has do no harm."""
    forms = [word]
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return forms
    if word.endswith("ies") and len(word) > 4:
        forms.append(word[:-3] + "y")
    elif word.endswith(("ches", "shes", "sses", "xes", "zes")):
        forms += [word[:-2], word[:-1]]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        forms.append(word[:-1])
    elif word.endswith("y") and word[-2] not in "aeiou":
        forms.append(word[:-1] + "ies")
    elif word.endswith(("ch", "sh", "ss", "x", "z")):
        forms.append(word + "es")
    else:
        forms.append(word + "s")
    return forms
