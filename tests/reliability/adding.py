"""A process that adds items and says so, for tests that stop it in the middle.

    python -m tests.reliability.adding CATALOG START COUNT

Writes one line to standard output when the collection is open, and one after each `add` has returned.
"""

import os
import sys
from pathlib import Path

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import CrossmodalError
from crossmodal.store import Store


def main() -> int:
    path, start, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    try:
        with Store(path, min_free_bytes=0) as store:
            os.write(1, b"open\n")
            for number in range(start, start + count):
                store.items.add(made_up_item(number), model_id=MODEL_ID)
                os.write(1, b"ack %d\n" % number)
    except CrossmodalError as error:
        os.write(1, b"error " + error.code.encode() + b"\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
