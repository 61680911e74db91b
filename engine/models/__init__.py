"""Trained models: specification, loading, storage, switching."""
