"""`doctor`: find faults of this installation and the command that repairs each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _app, _console
from commands._open import settings
from commands._options import Json, Quiet, Verbose
from crossmodal.text.cleaning import counted

if TYPE_CHECKING:
    from doctor.run import Checked

_PICTURES = ("store", "pictures")


def doctor(
    ids: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Print only the item ids of a finding about pictures, one per line, for remove -."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check store, pictures, model, index, decoder, disk and versions, without changing anything.

    In a pipe: check, "fault" or "note", code, description, and the command that repairs it, separated by tabs. Exits with 1 if there is a
    fault.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    if ids is not None and as_json:
        raise typer.BadParameter("--ids prints one id per line: omit --json.")
    chosen = settings()
    from doctor.finding import Installation
    from doctor.run import examine
    from initialize import decode_limits

    place = Installation(
        project=Path(__file__).resolve().parents[1],
        data_dir=chosen.data_dir,
        store_path=chosen.store_path,
        index_path=chosen.index_path,
        model_path=chosen.model_path,
    )
    if ids is not None:
        _print_ids(ids, examine(place, decode_limits(chosen), only=_PICTURES))
        return
    talk = not as_json
    checks = examine(place, decode_limits(chosen), on_check=(lambda made: _say(made, quiet=quiet)) if talk else lambda _made: None)
    faults = sum(finding.fault for made in checks for finding in made.findings)
    if as_json:
        fields = ("code", "what", "cure", "fault")
        found = [
            {"check": made.name, **{name: getattr(each, name) for name in fields}, "item_ids": [str(one) for one in each.item_ids]}
            for made in checks
            for each in made.findings
        ]
        _console.as_json({"faults": faults, "checks": [made.name for made in checks], "findings": found})
    elif not quiet:
        _console.note(_summary(checks, faults))
    if faults:
        raise typer.Exit(_app.NOTHING)


def _summary(checks: list[Checked], faults: int) -> str:
    if faults:
        return f"{counted(faults, 'fault')}. Repair the first one first."
    if any(each.code == "no_collection" for made in checks for each in made.findings):
        return "There is no collection yet; everything else is fine."
    return "All is well."


def _print_ids(code: str, checks: list[Checked]) -> None:
    """Print the item ids of one finding; exits with 1 if there are none."""
    found = [item_id for made in checks for each in made.findings if each.code == code for item_id in each.item_ids]
    for item_id in dict.fromkeys(found):
        _console.plain(str(item_id))
    if not found:
        raise typer.Exit(_app.NOTHING)


def _say(made: Checked, *, quiet: bool) -> None:
    if _console.is_terminal():
        for each in made.findings:
            _console.plain(f"{'✗' if each.fault else '!'} {made.name}: {_console.cell(each.what)}\n    {each.cure}")
        if not made.findings and not quiet:
            _console.plain(f"✓ {made.name}")
        sys.stdout.flush()
        return
    for each in made.findings:
        _console.plain("\t".join((made.name, "fault" if each.fault else "note", each.code, _console.cell(each.what), each.cure)))
