"""The group all commands hang on: whatever goes wrong ends as one sentence on the error output, and a number."""

import errno
import logging
from typing import Any

import typer
from typer.core import TyperGroup

from crossmodal.errors import CrossmodalError
from terminal import exits, output
from terminal.refusals import refusal

log = logging.getLogger(__name__)


class Guarded(TyperGroup):
    """Commands that never end in a traceback; `--verbose` shows it all the same."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types_of_flags(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types_of_flags(command.get_params(ctx))
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CrossmodalError as error:
            log.debug("%s", error.code, exc_info=True)
            output.complain(error.message, error.remedy)
            raise typer.Exit(exits.exit_code(error)) from None
        except (typer.Exit, typer.Abort, typer.TyperException):
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
            output.complain(
                f"Something went wrong inside the program ({type(error).__name__}).", "Run it again with --verbose to see where."
            )
            raise typer.Exit(exits.INTERNAL) from None


def _without_types_of_flags(params: list[Any]) -> list[Any]:
    """In the help a flag takes no value; "<bool>" behind it would say otherwise."""
    for param in params:
        if getattr(param, "is_bool_flag", False) and param.metavar is None:
            param.metavar = ""
    return params
