"""Models: what one is, loading it, switching to it."""
