"""Retrieval metrics with confidence intervals and chance levels: pure functions over embeddings and ranks."""
