"""The application: models, their embeddings and indexes, search, editing items, background work, export."""
