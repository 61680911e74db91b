"""`/health`, `/api/stats` and `/metrics`."""

from fastapi import APIRouter
from starlette.responses import Response

from api.deps import ServicesDep
from api.errors import Json
from api.responses import Health, Stats
from engine.live import LiveApp

open_router = APIRouter()
router = APIRouter()


@open_router.get("/health", tags=["reference"], response_model=Health, openapi_extra={"security": []})
async def health(services: ServicesDep) -> Response:
    """Whether the server is running. Never waits for other work: under load the number of pictures may be outdated."""
    return Json(
        {"status": "healthy", "model_loaded": True, "num_images": await services.count.refreshed(services.options.count_timeout_s)}
    )


@router.get("/api/stats", tags=["reference"], response_model=Stats)
async def stats(services: ServicesDep) -> Response:
    """Figures of the collection and its model."""
    return Json(await services.run(_stats, services.app))


@router.get("/metrics", tags=["operation"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: ServicesDep) -> Response:
    """Counters and histograms for Prometheus."""
    services.metrics.items.set(await services.count.refreshed(services.options.count_timeout_s))
    return Response(services.metrics.text(), media_type=services.metrics.content_type)


def _stats(app: LiveApp) -> dict[str, object]:
    model = app.generation().model
    return {
        "num_images": app.count(),
        "num_captions": app.store.texts.count(),
        "embedding_dim": model.spec.embed_dim,
        "model_architecture": {
            "image_input_dim": model.image_input_dim,
            "text_input_dim": model.text_input_dim,
            "shared_dim": model.spec.embed_dim,
        },
    }
