"""Vector indexes: find the ids of the nearest items. All are caches of the store."""
