"""Runtimes that execute an encoder."""
