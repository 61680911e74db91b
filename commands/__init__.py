"""The commands of `cli.py`: one file and one function each, which imports what it needs when it is called."""
