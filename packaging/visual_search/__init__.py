"""What the command `visual-search` of an installed package starts: the command line in `cli.py`, or the page when no command is named.

The wheel holds the files of the checkout inside this package's folder, and `main` puts that folder first on `sys.path`. Nothing is
installed beside it: a `datasets.py` directly in site-packages would be taken for Hugging Face's package of that name. `pyproject.toml` has
the list of what the wheel holds.
"""

import signal
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the command line with this process's arguments; `visual-search` alone shows the page."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))  # as in `cli.py`, for the moment while it is imported
    # In an editable installation the program is the checkout, two folders up.
    program = _HERE if (_HERE / "cli.py").is_file() else _HERE.parents[1]
    sys.path.insert(0, str(program))
    import cli

    cli.main(with_command(sys.argv[1:], default="page"), program="visual-search")


def with_command(arguments: list[str], *, default: str) -> list[str]:
    """The arguments, with `default` behind them where they hold no command but at most `--data-dir FOLDER`."""
    named = arguments[1:] if arguments[:1] and arguments[0].startswith("--data-dir=") else arguments
    named = named[2:] if named[:1] == ["--data-dir"] else named
    return arguments if named else [*arguments, default]
