"""The REST API: one of the doors to a collection. `api.app` makes it, `api.server` runs it."""
