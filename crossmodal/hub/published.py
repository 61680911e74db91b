"""Published models for searching photos by words, as an offer to choose from. All figures are those of their publishers."""

from dataclasses import dataclass

from crossmodal.errors import QueryError

_OPEN_CLIP = "open_clip, docs/openclip_retrieval_results.csv"
_SIGLIP2 = "SigLIP 2, arXiv 2502.14786, table 1"


@dataclass(frozen=True, slots=True)
class Published:
    """A model of the hub.

    Attributes:
        repository: `organisation/name` on the hub.
        title: its short name.
        licence: of its weights; the name by SPDX.
        size_bytes: of its weights in float32, nearly all of the download.
        embed_dim: dimension of an embedding.
        coco: R@1 on COCO without training on it, words → picture and picture → words, in percent.
        figures_from: where `coco` was published.
        relative_cost: processor time of a picture as a multiple of ResNet18's, on one thread.
        note: what it is good for; one sentence.
    """

    repository: str
    title: str
    licence: str
    size_bytes: int
    embed_dim: int
    coco: tuple[float, float]
    figures_from: str
    relative_cost: float
    note: str

    @property
    def page(self) -> str:
        """Address of its page, with its files and its licence."""
        return f"https://huggingface.co/{self.repository}"


PUBLISHED = (
    Published(
        *("google/siglip2-base-patch32-256", "SigLIP 2 base, 32", "Apache-2.0", 1_507_000_000, 768),
        *((47.2, 63.7), _SIGLIP2, 2.3, "The best for its time, in many languages."),
    ),
    Published(
        *("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "CLIP B/32, LAION", "MIT", 605_000_000, 512),
        *((39.3, 56.3), _OPEN_CLIP, 2.2, "For little disk and memory; English."),
    ),
    Published(
        *("laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", "CLIP B/32, DataComp", "MIT", 605_000_000, 512),
        *((39.9, 57.9), _OPEN_CLIP, 2.4, "For little disk and memory, with larger pictures; English."),
    ),
    Published(
        *("openai/clip-vit-base-patch32", "CLIP B/32, OpenAI", "MIT", 605_000_000, 512),
        *((30.4, 50.1), _OPEN_CLIP, 2.2, "The first of its kind; English."),
    ),
    Published(
        *("google/siglip2-base-patch16-256", "SigLIP 2 base, 16", "Apache-2.0", 1_501_000_000, 768),
        *((53.2, 69.7), _SIGLIP2, 8.8, "The best words, for a computer with time or a fast processor; in many languages."),
    ),
)
"""The first is the one to choose on a laptop."""


def published(name: str) -> Published:
    """The model with this repository, or with this last part of it.

    Raises:
        QueryError: `bad_request`, there is none; the remedy lists them.
    """
    for model in PUBLISHED:
        if name.removeprefix("clip:") in (model.repository, model.repository.rpartition("/")[2]):
            return model
    known = ", ".join(model.repository for model in PUBLISHED)
    raise QueryError("bad_request", f"There is no model {name!r:.100} in the list.", remedy=f"Known are {known}.")


def megabytes(count: float) -> str:
    """A number of bytes for display: `850 kB`, `8.2 MB`, `1,507 MB`."""
    if count < 10**6:
        return f"{count / 1e3:,.0f} kB"
    return f"{count / 1e6:,.{1 if count < 10**7 else 0}f} MB"
