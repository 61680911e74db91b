"""The whole examination, one check after the other."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from crossmodal.errors import CrossmodalError
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from doctor import embeddings, environment, model, store
from doctor.finding import Finding, Place, Subject, cure_of

CHECKS: tuple[tuple[str, Callable[[Subject], list[Finding]]], ...] = (
    ("versions", environment.check_versions),
    ("disk", environment.check_disk),
    ("decoder", environment.check_decoder),
    ("store", store.check_store),
    ("pictures", store.check_pictures),
    ("failed rows", store.check_failures),
    ("model", model.check_model),
    ("model of the collection", model.check_coverage),
    ("embeddings", embeddings.check_vectors),
    ("embeddings and pictures", model.check_agreement),
    ("cache", embeddings.check_cache),
    ("tokenizer", model.check_tokenizer),
)
"""Name and check, in an order in which each finds opened what it needs."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that was made: without findings all is well there."""

    name: str
    findings: tuple[Finding, ...]


def examine(
    place: Place,
    limits: DecodeLimits,
    *,
    only: Collection[str] = (),
    on_check: Callable[[Checked], None] = lambda _checked: None,
) -> list[Checked]:
    """Look at an installation; nothing in it is changed.

    Args:
        only: names of checks; none means all.
        on_check: told of each check as it ends.
    """
    done = []
    with Decoder(limits, workers=1) as decoder:
        subject = Subject(place, decoder)
        try:
            for name, check in CHECKS:
                if only and name not in only:
                    continue
                done.append(Checked(name, tuple(_made(check, subject))))
                on_check(done[-1])
        finally:
            if subject.store is not None:
                subject.store.close()
    return done


def _made(check: Callable[[Subject], list[Finding]], subject: Subject) -> list[Finding]:
    """A check that itself runs into damage is a finding too."""
    try:
        return check(subject)
    except CrossmodalError as error:
        return [Finding(error.code, error.message, cure_of(error))]
