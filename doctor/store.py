"""Checks of the store: can it be opened, and is each stored picture undamaged and not a placeholder?"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from crossmodal.errors import CrossmodalError, QueryError, StoreError, StoreMissing
from crossmodal.installation import COMMAND
from crossmodal.items import Item
from crossmodal.store import Store, schema
from crossmodal.store.schema import origins
from crossmodal.text.cleaning import counted, were
from doctor.finding import REPAIR, Finding, Subject, quoted

# A single-colour thumbnail is far smaller than this; larger ones need not be decoded.
_FLAT_BYTES = 4096
_FLAT_SPREAD = 2.0
_LOOK_PX = 32
_PAGE = 256
# The same file under this many different titles, and as this share of all items, is probably a shop's "no picture" image.
_MANY_TITLES = 5
_MANY_SHARE = 0.02
_MOST_ON_A_LINE = 20
_DEMO = "demo"


def check_store(subject: Subject) -> list[Finding]:
    """Open the store; later checks need it. One of an older format stays closed, because opening would migrate it."""
    path = subject.place.store_path
    try:
        older = schema.older_format(path)
        if older is not None:
            what = f"The collection {path} has the older format {older}; it is migrated when it is next opened, and a copy is kept."
            return [Finding("older_format", what, f"{COMMAND} list")]
        subject.store = Store(path, create=False)  # an empty file, or a missing one with a log, is a fault that it reports
    except StoreMissing as error:
        return [Finding("no_collection", error.message, f"{COMMAND} index YOUR_PICTURES", fault=False)]
    except StoreError as error:
        if error.code != "index_corrupt":  # newer format or read-only: the file is intact and must not be moved
            code = error.code if error.code.startswith("store_") else f"store_{error.code}"
            return [Finding(code, error.message, error.remedy)]
        return [_damaged(subject, error)]
    except CrossmodalError as error:
        return [Finding(f"store_{error.code}", error.message, f"{COMMAND} doctor")]
    return []


def check_pictures(subject: Subject) -> list[Finding]:
    """Check every stored picture against its checksum, and for single-colour tiles and "no picture" images."""
    if subject.store is None:
        return []
    damaged, flat = [], []
    shown: dict[str, list[Item]] = defaultdict(list)
    for item in _items(subject.store):
        try:
            thumbnail = subject.store.pictures.thumbnail(item.item_id)
            subject.store.pictures.rendition(item.item_id)
        except QueryError:  # removed in the meantime
            continue
        except StoreError:
            thumbnail = b""
            damaged.append(item.item_id)
        shown[item.content_hash].append(item)
        if thumbnail and len(thumbnail) < _FLAT_BYTES and _is_flat(subject, thumbnail):
            flat.append(item.item_id)
    total = sum(map(len, shown.values()))
    signs = [
        items
        for items in shown.values()
        if len(_titles(items)) >= max(_MANY_TITLES, _MANY_SHARE * total) and items[0].item_id not in flat
    ]
    found = []
    if damaged:
        what = f"The stored pictures of {_ids(damaged)} are damaged."
        found.append(Finding("pictures_damaged", what, _remove("pictures_damaged", damaged), item_ids=tuple(damaged)))
    if flat:
        what = f"{len(flat):,} of {total:,} pictures have a single colour, like placeholders for missing pictures: {_ids(flat)}."
        found.append(Finding("placeholder_pictures", what, _remove("placeholder_pictures", flat), item_ids=tuple(flat)))
    for items in signs:
        ids = [item.item_id for item in items]
        what = f'One picture has {len(_titles(items)):,} different titles, like a "no picture" image: {_ids(ids)}.'
        found.append(Finding("placeholder_pictures", what, _remove("placeholder_pictures", ids), item_ids=tuple(ids)))
    return found


def check_words(subject: Subject) -> list[Finding]:
    """Check the words that text searches read against the items."""
    if subject.store is None:
        return []
    try:
        count = subject.store.words.disagreements()
    except StoreError as error:
        if error.code != "index_corrupt":
            raise
        return [Finding("words_disagree", "The table of the items' words is damaged.", REPAIR)]
    if not count:
        return []
    return [Finding("words_disagree", f"The words of {counted(count, 'item')} are not those that text searches read.", REPAIR)]


def check_failures(subject: Subject) -> list[Finding]:
    """Report rows that failed and can be retried."""
    count = len(subject.store.failures.all()) if subject.store is not None else 0
    if not count:
        return []
    return [Finding("failed_rows", f"{counted(count, 'row')} {were(count)} not indexed.", f"{COMMAND} failed --retry", fault=False)]


def _items(store: Store) -> Iterator[Item]:
    after_id = 0
    while page := store.items.page(_PAGE, after_id):
        yield from page
        after_id = page[-1].item_id


def _is_flat(subject: Subject, thumbnail: bytes) -> bool:
    try:
        pixels = subject.decoder.decode(thumbnail, square_px=_LOOK_PX).pixels
    except CrossmodalError:  # its checksum is right, so the decoder is at fault, which has its own check
        return False
    return bool(pixels.reshape(-1, 3).std(axis=0).max() < _FLAT_SPREAD)


def _titles(items: list[Item]) -> set[str]:
    return {item.title.casefold() for item in items}


def _damaged(subject: Subject, error: StoreError) -> Finding:
    """Finding whose cure rebuilds the store from its sources, as far as they can still be read; mentions what would be lost."""
    folder, found = subject.place.data_dir, origins(subject.place.store_path)
    by_hand = "Pictures added by hand" if found is None else counted(found.by_hand, "picture") + " added by hand"
    lost = "" if found is not None and not found.by_hand else f" {by_hand} must be added again."
    what = f"{error.message} Restoring a backup is better (docs/deployment.md, Backups).{lost}"
    own = None if found is None else [quoted(Path(location)) for name, location in found.sources if name != _DEMO]
    locations = ["YOUR_PICTURES"] if own is None else own or [""]
    commands = [f"mv {quoted(folder)} {quoted(folder.with_name(folder.name + '.damaged'))}"]
    return Finding("store_damaged", what, " && ".join([*commands, *(f"{COMMAND} index {each}".strip() for each in locations)]))


def _remove(code: str, ids: list[int]) -> str:
    """The command that removes items; many ids are piped, because they do not fit on a command line."""
    if len(ids) > _MOST_ON_A_LINE:
        return f"{COMMAND} doctor --ids {code} | {COMMAND} remove -"
    return f"{COMMAND} remove {' '.join(map(str, ids))}"


def _ids(ids: list[int]) -> str:
    names = ", ".join(map(str, ids[:10]))
    return f"{'item' if len(ids) == 1 else 'items'} {names}" + (f" and {len(ids) - 10:,} more" if len(ids) > 10 else "")
