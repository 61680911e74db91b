"""The REST API of a collection. `api.app` creates it, `api.server` runs it."""
