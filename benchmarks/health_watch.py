"""Asks `/health` of a server ten times a second, in a process of its own, and prints how long each answer took.

    python -m benchmarks.health_watch http://127.0.0.1:5000

Milliseconds, one a line; -1 for an answer that is not 200 or did not come. Ends when its input does.
"""

import sys
import threading

from benchmarks.api_client import Client

_EVERY_S = 0.1


def main() -> None:
    """The command."""
    client, ended = Client(sys.argv[1]), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(_EVERY_S):
        took_ms, _ = client.timed("GET", "/health")
        print(-1 if client.failed else took_ms, flush=True)
        client.failed.clear()


if __name__ == "__main__":
    main()
