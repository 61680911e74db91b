"""A running program answers the shell of the same person: a socket in the data folder, so that a command need not load a model."""
