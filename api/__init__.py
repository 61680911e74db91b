"""The REST API: one of the doors to a collection. `create_api` makes it, `api.server.serve` runs it."""

from api.app import create_api
from api.settings import ApiOptions

__all__ = ["ApiOptions", "create_api"]
