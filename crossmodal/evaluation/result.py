"""What an evaluation found, as a frozen value."""

import math
from dataclasses import dataclass

from crossmodal.evaluation.bootstrap import CONFIDENCE
from crossmodal.evaluation.figures import DirectionFigures, Figure
from crossmodal.evaluation.ranking import TIE
from crossmodal.evaluation.space import SpaceFigures


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """What an evaluation found.

    Attributes:
        text_to_image, image_to_text: the two directions.
        recall_sum: sum of all recalls of both directions, as shares: at most 2 × the number of k. Papers print it in percent, up to 600.
        alignment: mean squared distance of pairs, in [0, 4]; not a number when no pair is sound.
        images, texts: the shape of either side's space.
        resamples, seed: how the intervals were drawn.
    """

    text_to_image: DirectionFigures
    image_to_text: DirectionFigures
    recall_sum: Figure
    alignment: float
    images: SpaceFigures
    texts: SpaceFigures
    resamples: int
    seed: int

    @property
    def warnings(self) -> list[str]:
        """Sentences a person must read before the figures; none when all is well."""
        found = []
        for name, space in (("image", self.images), ("text", self.texts)):
            if space.broken:
                found.append(
                    f"{space.broken} of {space.count} {name} embeddings hold a number that is not finite: they count against us."
                )
            if space.collapsed:
                found.append(
                    f"The {name} embeddings have collapsed: effective rank {space.effective_rank:.1f} of {space.embed_dim},"
                    f" mean cosine {space.mean_cosine:.3f}."
                )
        return found

    def to_dict(self) -> dict[str, object]:
        """As JSON holds it; what is not a number is None."""
        settings = {
            "confidence": CONFIDENCE,
            "resamples": self.resamples,
            "resampled_by": "picture",
            "seed": self.seed,
            "ties": "pessimistic",
            "tie_width": TIE,
        }
        return {
            "text_to_image": self.text_to_image.to_dict(),
            "image_to_text": self.image_to_text.to_dict(),
            "recall_sum": self.recall_sum.to_dict(),
            "alignment": self.alignment if math.isfinite(self.alignment) else None,
            "images": self.images.to_dict(),
            "texts": self.texts.to_dict(),
            "warnings": self.warnings,
            "settings": settings,
        }
