"""The doctor: checks an installation without changing it and reports each fault with the one command that repairs it."""
