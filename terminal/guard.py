"""The group all commands hang on: whatever goes wrong ends as one sentence on the error output, and a number."""

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from crossmodal.errors import CrossmodalError
from terminal import exits, output
from terminal.refusals import refusal

log = logging.getLogger(__name__)

# In fewer columns the drawn tables of options cut words off, even names; the plain help breaks lines instead.
_DRAWN_FROM = 80


class Guarded(TyperGroup):
    """Commands that never end in a traceback; `--verbose` shows it all the same."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types_of_flags(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types_of_flags(command.get_params(ctx))
            if shutil.get_terminal_size().columns < _DRAWN_FROM:
                command.rich_markup_mode = None
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _guarded():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _guarded():
            return super().invoke(ctx)


@contextmanager
def _guarded() -> Iterator[None]:
    """Whatever is raised inside leaves as typer's `Exit`, said; what typer says itself, and a closed pipe, pass."""
    try:
        yield
    except CrossmodalError as error:
        log.debug("%s", error.code, exc_info=True)
        output.complain(error.message, error.remedy)
        raise typer.Exit(exits.exit_code(error)) from None
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise  # its help is on the error output already
        _complain_of_usage(error)
        raise typer.Exit(exits.USAGE) from None
    except (typer.Exit, typer.Abort):
        raise  # typer says these itself
    except KeyboardInterrupt:  # the second Ctrl-C
        raise typer.Exit(exits.STOPPED) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # nobody reads on; typer ends without a word
        log.debug("refused", exc_info=True)
        refused = refusal(error)
        output.complain(refused.message, refused.remedy)
        raise typer.Exit(exits.exit_code(refused)) from None
    except Exception as error:
        log.debug("unexpected", exc_info=True)
        what = f"Something went wrong inside the program ({type(error).__name__})."
        output.complain(what, "Run it again with --verbose to see where.")
        raise typer.Exit(exits.INTERNAL) from None


def _complain_of_usage(error: typer.TyperException) -> None:
    """As every other error: one line, which no frame breaks where somebody looks for it in a log."""
    what = error.format_message().removeprefix("Invalid value: ").replace(": Value error, ", ": ")
    context = getattr(error, "ctx", None)
    command = context.command_path.partition(" ")[2] if context else ""
    output.complain(
        what if what.endswith((".", "?")) else f"{what}.", f"See: {' '.join(f'python cli.py {command} --help'.split())}"
    )


def _without_types_of_flags(params: list[Any]) -> list[Any]:
    """In the help a flag takes no value; "<bool>" behind it would say otherwise."""
    for param in params:
        if getattr(param, "is_bool_flag", False) and param.metavar is None:
            param.metavar = ""
    return params
