"""The doctor: looks at an installation without changing it, and names each fault with the one command that mends it."""
