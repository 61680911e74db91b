"""The commands of `cli.py`, one a file: each holds one function of the command's name, which imports its work when it runs."""
