"""A system while it learns from pairs: what of it is trained, and the loss of a batch, over frozen features or from the pixels on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from crossmodal.backbones.base import Features, freeze
from crossmodal.training.distributed import gathered
from crossmodal.training.objectives import PairLoss
from encoders import Tower
from system import LostFoundSystem


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Pictures and captions on their way through training.

    Attributes:
        pictures: frozen features at the cut, or (n, 3, size, size) float32 where the whole backbone learns.
        texts: frozen features at the cut, or the texts themselves.
        groups: (n,) int64, equal for pictures that are described alike.
        text_groups: (m,) int64, the group of each text's picture.
    """

    pictures: Features | Tensor
    texts: Features | Sequence[str]
    groups: Tensor
    text_groups: Tensor


class TrainedParts(nn.Module):
    """The part of a tower that learns: the backbone's last blocks or the whole of it, the pooling and the head.

    Only this part has a place in checkpoints: what is frozen is the same as before.

    Args:
        blocks: how many blocks learn; None: the whole backbone, from pixels or words.
    """

    def __init__(self, tower: Tower, blocks: int | None) -> None:
        super().__init__()
        freeze(tower.backbone, blocks)
        self._tower = (tower,)  # in a tuple, so that its frozen part is no part of this module
        self.blocks = blocks
        self.backbone = tower.backbone if blocks is None else nn.ModuleList(tower.backbone.tail_modules(blocks))
        self.pooling, self.head = tower.pooling, tower.head

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but batch norms of a backbone of which only the end learns keep their statistics.

        They come from far more pictures than this training has, and the frozen part before them was made for them.
        """
        super().train(mode)
        if self.blocks is not None:
            for module in self.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, given: Features | Tensor | Sequence[str]) -> Tensor:
        """Embeddings of length 1. Shape: (n, embed_dim) float32."""
        [tower] = self._tower
        if isinstance(given, Features):
            return tower.embed(given, self.blocks or 0)
        return tower(given)  # type: ignore[no-any-return]


class PairLearner(nn.Module):
    """What the trainer trains: both sides' learning parts, the temperature, and what the loss learns itself.

    Args:
        image_blocks, text_blocks: see `TrainedParts`.
    """

    def __init__(self, system: LostFoundSystem, loss: PairLoss, *, image_blocks: int | None, text_blocks: int | None) -> None:
        super().__init__()
        self._system = (system,)
        self.pictures = TrainedParts(system.image_encoder, image_blocks)
        self.texts = TrainedParts(system.text_encoder, text_blocks)
        self.temperature = system.temperature
        self.loss = loss

    def forward(self, batch: PairBatch) -> Tensor:
        """The loss of a batch, a scalar; over the batches of all processes when there are several."""
        images, texts, groups, text_groups = gathered(
            self.pictures(batch.pictures), self.texts(batch.texts), batch.groups, batch.text_groups
        )
        [system] = self._system
        loss: Tensor = self.loss(images, texts, system.logit_scale, groups, text_groups)
        return loss
