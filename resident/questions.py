"""What the shell may ask, by name: the arguments are those of the app's methods."""

from collections.abc import Callable

from crossmodal.errors import CrossmodalError
from resident import values
from resident.frames import Document
from upkeep.live_app import LiveApp

Answer = tuple[Document, bytes]


def answered(app: LiveApp, name: str, given: Document, data: bytes) -> Answer:
    """The answer to a question, and the bytes that belong to it.

    Args:
        given: arguments by their names; used up.
        data: the picture of the question, where it has one.

    Raises:
        CrossmodalError: as the app's method; `bad_request` for a question that is none.
    """
    question = _QUESTIONS.get(name)
    if question is None:
        raise CrossmodalError("bad_request", f"The running program knows no {name!r:.40}.", remedy="Start it again.")
    return question(app, given, data)


def _image(given: Document, data: bytes) -> bytes | str:
    """The picture of a question: its bytes, or the address to fetch."""
    return str(given.pop("address")) if "address" in given else data


def _by_text(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return values.results_document(app.search_by_text(given.pop("query"), given.pop("top_k"), **given)), b""


def _by_image(app: LiveApp, given: Document, data: bytes) -> Answer:
    return values.results_document(app.search_by_image(_image(given, data), given.pop("top_k"), **given)), b""


def _by_item(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return values.results_document(app.search_by_item(given.pop("item_id"), given.pop("top_k"), **given)), b""


def _by_both(app: LiveApp, given: Document, data: bytes) -> Answer:
    image = _image(given, data)
    return values.results_document(app.search_by_both(given.pop("query"), image, given.pop("top_k"), **given)), b""


def _captions(app: LiveApp, given: Document, data: bytes) -> Answer:
    return values.captions_document(app.captions_for_image(_image(given, data), given["top_k"])), b""


def _unknown_words(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {"words": app.unknown_words(given["query"])}, b""


def _nearest_words(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {"words": app.nearest_words(given["query"])}, b""


def _add(app: LiveApp, given: Document, data: bytes) -> Answer:
    outcome = app.add_new_item(_image(given, data), given.pop("title"), **given)
    return {"created": outcome.created, "item": values.item_document(outcome.item)}, b""


def _item(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {"item": values.item_document(app.item(given["item_id"]))}, b""


def _rendition(app: LiveApp, given: Document, _data: bytes) -> Answer:
    return {}, app.rendition(given["item_id"])


_QUESTIONS: dict[str, Callable[[LiveApp, Document, bytes], Answer]] = {
    "by_text": _by_text,
    "by_image": _by_image,
    "by_item": _by_item,
    "by_both": _by_both,
    "captions": _captions,
    "unknown_words": _unknown_words,
    "nearest_words": _nearest_words,
    "add": _add,
    "item": _item,
    "rendition": _rendition,
}
