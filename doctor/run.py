"""Runs all checks in order."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from crossmodal.errors import CrossmodalError
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from doctor import embeddings, environment, model, store
from doctor.finding import Finding, Installation, Subject, cure_of

CHECKS: tuple[tuple[str, Callable[[Subject], list[Finding]]], ...] = (
    ("versions", environment.check_versions),
    ("disk", environment.check_disk),
    ("decoder", environment.check_decoder),
    ("store", store.check_store),
    ("pictures", store.check_pictures),
    ("words", store.check_words),
    ("failed rows", store.check_failures),
    ("model", model.check_model),
    ("model of the collection", model.check_coverage),
    ("embeddings", embeddings.check_vectors),
    ("embeddings and pictures", model.check_agreement),
    ("cache", embeddings.check_cache),
    ("tokenizer", model.check_tokenizer),
)
"""Names and checks; each runs after the checks that open what it needs."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A completed check; no findings means no problem."""

    name: str
    findings: tuple[Finding, ...]


def examine(
    place: Installation,
    limits: DecodeLimits,
    *,
    only: Collection[str] = (),
    on_check: Callable[[Checked], None] = lambda _checked: None,
) -> list[Checked]:
    """Check an installation without changing it.

    Args:
        only: names of checks to run; empty runs all.
        on_check: called with each completed check.
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
    """Run a check; an error raised by it becomes a finding."""
    try:
        return check(subject)
    except CrossmodalError as error:
        return [Finding(error.code, error.message, cure_of(error))]
