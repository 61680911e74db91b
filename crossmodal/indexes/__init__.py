"""Vector indexes: from embeddings to the ids of the nearest items. All are caches over the catalog."""
