"""Backbone networks that map pictures or texts to features, one file per family."""
