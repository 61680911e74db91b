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

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CrossmodalError as error:
            log.debug("%s", error.code, exc_info=True)
            output.complain(error.message, error.remedy)
            raise typer.Exit(exits.exit_code(error)) from None
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise  # typer says these itself
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
