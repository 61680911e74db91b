"""Models by name: which towers, which heads, and how they are trained. `docs/models.md` has the table with figures."""

from dataclasses import dataclass, replace

from crossmodal.registry import lookup
from crossmodal.training.losses import LOSSES
from crossmodal.training.optim import SCHEDULES
from encoders import GRU, RESNET18, TowerSpec


@dataclass(frozen=True, slots=True)
class Recipe:
    """Default hyper-parameters of a preset.

    Attributes:
        loss: `clip`, `infonce`, `triplet` or `siglip`.
        epochs, batch_size: rounds over the pictures, and pictures in a batch.
        captions: captions of each picture in a batch.
        learning_rate: peak rate of the heads, and of backbones that begin from random weights.
        image_learning_rate, text_learning_rate: peak rates of the unfrozen blocks of pretrained backbones.
        word_learning_rate: peak rate of a GRU's word vectors, most of which get a gradient only now and then; 0 is that of the heads.
        image_blocks, text_blocks: blocks of each backbone, from its end, that are trained; what lies before is encoded once. None trains
            the whole backbone from pixels or words.
        views: the picture itself (1), its mirror image too (2), and as many random crops more.
        schedule: `cosine`, `step`, `plateau` or `one_cycle`.
        average_decay: of the running mean of the weights, which is then what is kept; 0 keeps the weights themselves.
        accumulation: batches whose gradients make one step.
        growing: whether a picture backbone from random weights begins on smaller pictures, see `growing_sizes`.
        predict_words: whether it also learns to predict the words of the captions, see `PairLearner`.
    """

    loss: str = "clip"
    epochs: int = 20
    batch_size: int = 128
    captions: int = 1
    learning_rate: float = 1e-3
    image_learning_rate: float = 1e-4
    text_learning_rate: float = 5e-5
    word_learning_rate: float = 0.0
    weight_decay: float = 1e-2
    image_blocks: int | None = 0
    text_blocks: int | None = 0
    views: int = 2
    schedule: str = "cosine"
    warm_up: float = 0.05
    patience: int = 8
    average_decay: float = 0.0
    accumulation: int = 1
    growing: bool = False
    predict_words: bool = False

    def __post_init__(self) -> None:
        """Raises:
        QueryError: `bad_request`, there is no loss or schedule of this name.
        """
        lookup(LOSSES, self.loss, kind="loss")
        lookup(SCHEDULES, self.schedule, kind="schedule")


def growing_sizes(full_px: int, epochs: int) -> list[int]:
    """The pictures' side in each epoch: half of it, three quarters, and the whole for the last half of the epochs.

    The coarse things are learned cheaply first (progressive resizing, Howard 2018).
    """
    quarter = epochs // 4
    return [full_px // 2] * quarter + [full_px * 3 // 4] * quarter + [full_px] * (epochs - 2 * quarter)


@dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be trained by name.

    Attributes:
        says: one sentence for a person.
        embed_dim: length of an embedding.
        item_embedding: `image`, or `hybrid`: the mean of a picture's embedding and its title's.
        untrained_image_px: side of the pictures where no weights were found; None keeps the backbone's own.
    """

    name: str
    says: str
    image: TowerSpec
    text: TowerSpec
    embed_dim: int
    recipe: Recipe
    item_embedding: str = "image"
    untrained_image_px: int | None = None


PRESETS: dict[str, Preset] = {}


def _add(preset: Preset) -> None:
    PRESETS[preset.name] = preset


_add(
    Preset(
        "resnet18-gru",
        "ResNet18 and a GRU, trained whole; from ImageNet weights where there are some.",
        RESNET18,
        GRU,
        256,
        Recipe(
            epochs=24,
            batch_size=64,
            learning_rate=2e-3,
            image_learning_rate=2e-4,
            image_blocks=None,
            text_blocks=None,
            schedule="one_cycle",
            growing=True,
            predict_words=True,
        ),
        untrained_image_px=96,
    )
)
_add(
    Preset(
        "mobilenet-gru",
        "MobileNetV2 with ImageNet weights, frozen, and a GRU of our own: small, quick, no text model needed.",
        TowerSpec("mobilenet_v2", dropout=0.2),
        TowerSpec("gru", {"width": 256, "word_spread": 0.02}, pooling="max", dropout=0.2),
        512,
        Recipe(
            epochs=14,
            batch_size=256,
            captions=2,
            learning_rate=2e-3,
            word_learning_rate=4e-3,
            text_blocks=None,
            views=4,
            warm_up=0.1,
        ),
    )
)
_add(
    Preset(
        "mobilenet-minilm",
        "MobileNetV2 and MiniLM-L6, pretrained: the best answers for the processor time.",
        TowerSpec("mobilenet_v2", dropout=0.1),
        TowerSpec("minilm-l6", dropout=0.1),
        512,
        Recipe(
            epochs=10,
            batch_size=256,
            image_learning_rate=3e-4,
            text_learning_rate=1e-4,
            image_blocks=2,
            text_blocks=2,
            views=4,
            warm_up=0.1,
        ),
    )
)
_add(
    Preset(
        "efficientnet-minilm",
        "EfficientNet-B0 and MiniLM-L12, mean pooling, linear heads to 1024, fine-tuned.",
        TowerSpec("efficientnet_b0"),
        TowerSpec("minilm-l12"),
        1024,
        Recipe(
            epochs=10,
            batch_size=64,
            learning_rate=1e-4,
            image_learning_rate=5e-6,
            text_learning_rate=5e-6,
            image_blocks=None,
            text_blocks=None,
        ),
    )
)
_add(
    Preset(
        "vit-minilm",
        "ViT-B/16 and MiniLM-L6, frozen, with heads of one hidden layer to 512.",
        TowerSpec("google/vit-base-patch16-224", pooling="first", hidden=(512,), batch_norm=True, dropout=0.1),
        TowerSpec("minilm-l6", hidden=(512,), batch_norm=True, dropout=0.1),
        512,
        Recipe(epochs=50, batch_size=128, learning_rate=1e-4, weight_decay=1e-4, views=1, patience=10),
    )
)
_add(
    Preset(
        "clip-hybrid",
        "CLIP ViT-B/32 as it is; an item is found by the mean of its picture and its title.",
        TowerSpec("clip", pooling="first", head=False),
        TowerSpec("clip", pooling="first", head=False),
        512,
        Recipe(epochs=0, views=1),
        item_embedding="hybrid",
    )
)


def preset_named(name: str) -> Preset:
    """The preset of a name; `clip:ORGANISATION/NAME` is `clip-hybrid` with another CLIP or SigLIP.

    Raises:
        QueryError: `bad_request`; there is none. The remedy lists the known ones.
    """
    if name.startswith("clip:"):
        base = PRESETS["clip-hybrid"]
        return replace(base, name=name, image=replace(base.image, backbone=name), text=replace(base.text, backbone=name))
    return lookup(PRESETS, name, kind="preset")
