"""What a request passes before it meets its route, and its answer on the way back: each an ASGI application around the next."""
