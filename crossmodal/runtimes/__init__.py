"""How an encoder runs."""
