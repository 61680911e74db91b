"""`remove --undo` after the model was changed: what comes back is found."""

from dataclasses import replace

import pytest

from engine.models.trained import TrainedModel
from tests.commands.shell import Shell
from tests.tiny import shared_model


@pytest.mark.slow
def test_what_was_away_during_a_switch_comes_back_findable(shell: Shell) -> None:
    item_id = shell.lines("add", shell.picture("mine.png"), "--title", "red disc")[0][0]
    other = shell.lines("list")[0][0]
    assert shell.lines("remove", item_id, other) == [[item_id, "removed"], [other, "removed"]]
    model = shared_model()
    another = TrainedModel(model.system, model.spec, replace(model.card, weights_note="another"), model_id="")
    another.save(shell.folder / "another.pth")
    assert shell("use", shell.folder / "another.pth").exit_code == 0
    assert shell.lines("remove", "--undo", item_id, other, 999, code=3) == [[item_id, "restored"], [other, "restored"]]
    assert {item_id, other} <= {row[2] for row in shell.lines("search", "red disc", "-k", 50)}
    assert shell.lines("remove", "--undo", item_id, code=3) == []
