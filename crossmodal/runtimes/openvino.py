"""An image network on OpenVINO (Intel's runtime, Apache-2.0): several times faster than torch on most processors, with the same numbers.

The network is traced by torch and converted once, which takes some seconds; the result is cached under the model's id. Before it is used,
its answers to made-up pictures are compared with torch's, so a damaged cache or an unsuitable processor only costs the speed. OpenVINO's
own `convert_model` is avoided: it reports its use over the network.
"""

import importlib.util
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossmodal.atomic import put_in_place, temporary_path
from crossmodal.errors import CrossmodalError

log = logging.getLogger(__name__)

MIN_AGREEMENT = 0.999
"""Minimum cosine between the embeddings of a test picture by both runtimes."""


class OpenVINONetwork:
    """An image network compiled for this processor.

    Args:
        compiled: OpenVINO's compiled model.
    """

    precision = "float32, OpenVINO"

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def __call__(self, images: Tensor) -> Tensor:
        """Shape: (n, 3, size, size) float32 → (n, embed_dim) float32."""
        # A request of its own for each call: several threads encode at once.
        answer = self._compiled.create_infer_request().infer([images.contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(next(iter(answer.values())).copy())


def is_available() -> bool:
    """Whether OpenVINO is installed; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


def openvino_network(network: nn.Module, *, image_size_px: int, cache: Path | None, name: str) -> OpenVINONetwork | None:
    """The network on OpenVINO; None where that is not possible or its answers differ, which is logged.

    Args:
        network: maps images (n, 3, size, size) float32 to embeddings (n, embed_dim) float32, unit length; on the processor.
        cache: folder for converted networks; None converts anew.
        name: of the network in the cache, unique for its weights.
    """
    if not is_available():
        return None
    import openvino

    kept = cache / f"{name}-openvino-{openvino.__version__.split('-')[0]}.xml" if cache else None
    if kept is not None and kept.is_file() and (found := _tried(openvino, lambda: kept, network, image_size_px)) is not None:
        return found

    def converted() -> Any:
        model = _converted(openvino, network, image_size_px)
        if kept is not None:
            _keep(openvino, model, kept)
        return model

    return _tried(openvino, converted, network, image_size_px)


def _tried(openvino: Any, model: Callable[[], Any], network: nn.Module, size: int) -> OpenVINONetwork | None:
    try:
        return _checked(openvino.Core().compile_model(model(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), network, size)
    except Exception as error:  # noqa: BLE001 - a damaged file or an unknown processor fails in its own way; torch always works
        log.warning("OpenVINO cannot run this model: %s: %.200s", type(error).__name__, error)
        return None


def _converted(openvino: Any, network: nn.Module, size: int) -> Any:
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer: sizes become constants, as they shall
        traced = torch.jit.trace(network, torch.zeros(2, 3, size, size), check_trace=False)  # type: ignore[no-untyped-call]
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)
        loaded = frontend.load(decoder)
        converted = frontend.convert(loaded)
    converted.reshape({0: openvino.PartialShape([-1, 3, size, size])})
    return converted


def _keep(openvino: Any, converted: Any, path: Path) -> None:
    """Write the two files of a network, the one that is looked for last."""
    try:
        with temporary_path(path.parent) as draft:
            draft.mkdir()
            openvino.save_model(converted, draft / path.name, compress_to_fp16=False)
            for kept in (path.with_suffix(".bin"), path):
                put_in_place(draft / kept.name, kept)
    except CrossmodalError as error:
        log.warning("the converted network is not kept: %s", error)


def _checked(compiled: Any, network: nn.Module, size: int) -> OpenVINONetwork | None:
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 4 - 2
    found = OpenVINONetwork(compiled)
    with torch.inference_mode():
        agreement = float(torch.nn.functional.cosine_similarity(found(images), network(images).float()).min())
    if not agreement >= MIN_AGREEMENT:
        log.warning("OpenVINO answers differently (cosine %.4f); torch is used", agreement)
        return None
    return found
