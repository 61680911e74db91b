"""The REST API: one of the doors to a collection. `create_api` makes it, `api.server.serving.serve` runs it."""

from api.application import create_api
from api.options import ApiOptions

__all__ = ["ApiOptions", "create_api"]
