"""The commands of `cli.py`, one file each with one function, which imports what it needs when it runs."""
