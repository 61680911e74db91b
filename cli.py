#!/usr/bin/env python3
"""The command line: `python cli.py --help`.

Only names and options are known here; what a command needs is imported when it runs, so that help and completion come at once.
"""

import signal
import sys

if __name__ == "__main__":  # before the other imports, which take a moment: a Ctrl-C is no traceback, whatever is being loaded
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))  # `commands._app.STOPPED`

from collections.abc import Sequence
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from commands import _console, _open
from commands._app import CommandGroup, help_text
from crossmodal.installation import VERSION

PANELS = MappingProxyType(
    {
        "Find": ("search", "list"),
        "Collection": ("index", "add", "edit", "remove", "failed"),
        "Models": ("train", "evaluate", "visualize", "models", "use"),
        "Export and import": ("export", "import-vectors"),
        "Run and repair": ("page", "serve", "doctor"),
    }
)
"""Every command under its heading in `--help`. `import-vectors` is the function `import_vectors` of `commands/import_vectors.py`."""

_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}
# Names that would hide a built-in inside their file.
_FUNCTIONS = {"list": "list_items"}


class Commands(CommandGroup):
    """The commands of `PANELS`, each imported when it is asked for: to import all of them takes 0.1 s."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        unloaded: Any = None
        self.commands.update(dict.fromkeys(_PANEL_OF, unloaded))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See `CommandGroup`."""
        if cmd_name in self.commands and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _loaded(cmd_name)
        return super().get_command(ctx, cmd_name)


def _loaded(name: str) -> Any:
    module = import_module(f"commands.{name.replace('-', '_')}")
    function = getattr(module, _FUNCTIONS.get(name, name.replace("-", "_")))
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command(name, rich_help_panel=_PANEL_OF[name], help=_joined(function.__doc__ or ""))(function)
    return typer.main.get_command(alone)


def _joined(text: str) -> str:
    """Paragraphs without the line breaks of the source: help breaks them where the terminal ends."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in cleandoc(text).split("\n\n"))


app = typer.Typer(
    cls=Commands,
    help="Find any picture of your own collection by words, by a similar picture, or by both: on this computer, offline.",
    epilog=help_text(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _choose_data_dir(context: typer.Context, value: Path | None) -> None:
    if value is not None or context.parent is None:  # in front of the command, or behind it: the latter counts
        _open.choose(data_dir=value)


def _print_version(asked: bool) -> None:
    if asked:
        _console.plain(f"visual-search {VERSION}")
        raise typer.Exit


@app.callback()
def _every_command(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            callback=_choose_data_dir,
            expose_value=False,
            help="Folder of the collection. Without it CROSSMODAL_DATA_DIR, else the usual place.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, expose_value=False, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command; `commands._app.CommandGroup` repeats `--data-dir` behind each."""


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> None:
    """Run one command, then end the process with its exit code.

    Args:
        arguments: those of this process when None.
        program: name of the program in its help; that of the file when None.
    """
    _console.open_closed_streams()
    app(arguments, prog_name=program)


if __name__ == "__main__":
    main()
