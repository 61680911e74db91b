"""An API in a process of its own, over a small collection, whose fetcher meets the trap server as the public network.

    python -m tests.hostile.served FOLDER EVIL_PORT CANARY_PORT

Prints its address, and ends when its input does. Limits and decoding processes are the product's.
"""

import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from api.settings import ApiOptions
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from tests.api.conftest import Served, filled_app
from tests.hostile.conftest import EvilServer
from tests.hostile.trapped import Trapped, deadline_of


class TrappedFetcher:
    """A fresh fetcher for each address, with the deadline of its trap."""

    def __init__(self, server: EvilServer) -> None:
        self._server = server
        self._traps = server.ask("/__index")

    def fetch(self, url: str) -> bytes:
        return self._fetcher(url).fetch(url)

    def _fetcher(self, url: str) -> Fetcher:
        try:
            path = urlsplit(url).path
        except ValueError:
            path = ""
        return Trapped(self._server).fetcher(timeout_s=deadline_of(self._traps.get(path)))


def main() -> None:
    folder, evil, canary = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    app = filled_app(folder, 6)
    app.decoder.close()
    app.engine.decoder = app.encoding._decoder = Decoder(DecodeLimits(), workers=2)
    app.engine.limits = replace(app.limits, max_image_bytes=DecodeLimits().max_bytes)
    app.engine.fetcher = TrappedFetcher(EvilServer(evil, canary))  # type: ignore[assignment]
    with Served(app, ApiOptions()) as address:
        print(address, flush=True)  # noqa: T201  what the test reads
        sys.stdin.read()
    app.close()


if __name__ == "__main__":
    main()
