"""The API as a process of its own."""
