"""Adding pictures: one, or a batch of which each has its own end."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.types import Scope

from api.answered.errors import Overload, refusal
from api.asked.bodies import Upload
from api.asked.questions import NewItemQuestion
from api.door import Door
from crossmodal.errors import CrossmodalError
from crossmodal.items import AddOutcome, Picture
from crossmodal.text.cleaning import display_text

_NAME_CHARS = 200
_AT_ONCE = 4
_SHARE_OF_TIME = 0.75
"""Of the time for an answer: what was begun then still has some to come to its end."""


class New(NamedTuple):
    """A picture to be added: a file, or the address in the question. The name is shown only."""

    name: str
    file: Upload | None
    question: NewItemQuestion


async def add(door: Door, new: New) -> AddOutcome:
    """Fetch or decode, then write.

    Raises:
        CrossmodalError: as `LostFoundApp.add_new_item`.
    """
    return await _write(door, new, await _look(door, new))


async def add_all(door: Door, news: Sequence[New], scope: Scope) -> list[dict[str, Any]]:
    """An `AddedOrNot` for each, in their order. Few are under way at once, whatever comes at the same time.

    What is not fetched and decoded when the time is nearly over ends as `timeout`; what is being written by then is waited for, so that
    an answer always tells what is on the disk. A fault of the program ends the whole batch.
    """
    ends_at = asyncio.get_running_loop().time() + _SHARE_OF_TIME * door.options.request_timeout_s
    outcomes: list[dict[str, Any]] = [{}] * len(news)
    waiting = iter(enumerate(news))

    async def work() -> None:
        for place, new in waiting:
            outcomes[place] = await _outcome(door, new, ends_at, scope)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())
    return outcomes


async def _outcome(door: Door, new: New, ends_at: float, scope: Scope) -> dict[str, Any]:
    shown = display_text(new.name, max_chars=_NAME_CHARS)
    try:
        outcome = await _write(door, new, await _look_in_time(door, new, ends_at))
    except CrossmodalError as error:
        return {"name": shown, "created": False, "item": None, "error": refusal(error, scope)}
    return {"name": shown, "created": outcome.created, "item": door.item(outcome.item), "error": None}


async def _look_in_time(door: Door, new: New, ends_at: float) -> Picture:
    slots = door.batch_slots["pictures" if new.file else "addresses"]
    late = Overload(
        "timeout", "There was no time left for this picture.", remedy="It was not added: send it again, with fewer at once."
    )
    if asyncio.get_running_loop().time() >= ends_at:  # a deadline ends what waits, but something would be begun before it does
        raise late
    deadline = asyncio.timeout_at(ends_at)
    try:
        async with deadline, slots:
            return await _look(door, new)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise late from None


async def _look(door: Door, new: New) -> Picture:
    return await door.look_at(new.file.data if new.file else new.question.image_url or "")


async def _write(door: Door, new: New, picture: Picture) -> AddOutcome:
    source = new.file.name if new.file else new.question.image_url or ""
    words: dict[str, Any] = {"captions": new.question.captions, "attributes": new.question.attributes}
    return await door.workers.run("adding", door.app.add_picture, picture, new.question.title, source=source, **words)
