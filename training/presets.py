"""Presets: models by name, with their backbones, heads and hyper-parameters. `docs/models.md` lists their metrics."""

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
        epochs, batch_size: passes over the pictures, and pictures per batch.
        captions: captions per picture and batch.
        learning_rate: peak rate of the heads, and of backbones with random weights.
        image_learning_rate, text_learning_rate: peak rates of the unfrozen blocks of pretrained backbones.
        word_learning_rate: peak rate of the word vectors of a GRU, most of which get few gradients; 0 uses that of the heads.
        image_blocks, text_blocks: number of trained blocks at the end of each backbone; the layers before are encoded once. None trains
            the whole backbone from pixels or words.
        views: views per picture: 1 the original, 2 also its mirror image, more add random crops.
        schedule: `cosine`, `step`, `plateau` or `one_cycle`.
        average_decay: decay of the moving average of the weights, which is then saved; 0 saves the weights themselves.
        accumulation: batches whose gradients are averaged for one optimizer step.
        growing: whether an image backbone with random weights starts on smaller pictures, see `growing_sizes`.
        predict_words: whether such a backbone also learns to predict the words of the captions, see `PairLearner`.
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
    """Side of the pictures in each epoch: half for the first quarter, then three quarters, and full size for the second half.

    Coarse features are learned first, at a lower cost (progressive resizing, Howard 2018).

    Args:
        full_px: full side in pixels.
        epochs: number of epochs.
    """
    quarter = epochs // 4
    return [full_px // 2] * quarter + [full_px * 3 // 4] * quarter + [full_px] * (epochs - 2 * quarter)


@dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be trained by name.

    Attributes:
        description: one sentence for users.
        embed_dim: dimension of an embedding.
        item_embedding: `image`, or `hybrid`: the mean of the embeddings of a picture and its title.
        untrained_image_px: side of the pictures without pretrained weights; None uses that of the backbone.
    """

    name: str
    description: str
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
_add(
    Preset(
        "everyday",
        "EfficientNet-Lite0 and MiniLM as they are: words for anybody's photos, built in, nothing to train.",
        TowerSpec("everyday", pooling="first", head=False),
        TowerSpec("everyday", pooling="first", head=False),
        768,
        Recipe(epochs=0, views=1),
    )
)


def preset_named(name: str) -> Preset:
    """The preset with a name; `clip:ORGANISATION/NAME` is `clip-hybrid` with another CLIP or SigLIP.

    Raises:
        QueryError: `bad_request`, the name is unknown; the remedy lists the known ones.
    """
    if name.startswith("clip:"):
        base = PRESETS["clip-hybrid"]
        return replace(base, name=name, image=replace(base.image, backbone=name), text=replace(base.text, backbone=name))
    return lookup(PRESETS, name, kind="preset")
