"""Requests `/health` ten times per second in a separate process and prints how long each response takes.

    python -m benchmarks.health_watch http://127.0.0.1:5000

Milliseconds, one per line; -1 if the status is not 200 or there is no response. Ends at the end of standard input.
"""

import sys
import threading

from benchmarks.api_client import Client

_EVERY_S = 0.1


def main() -> None:
    """Request `/health` until standard input ends."""
    client, ended = Client(sys.argv[1]), threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(_EVERY_S):
        took_ms, _ = client.timed("GET", "/health")
        print(-1 if client.failed else took_ms, flush=True)
        client.failed.clear()


if __name__ == "__main__":
    main()
