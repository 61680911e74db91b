"""One family, a closed list of codes, and sentences on one line."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal import errors, progress
from crossmodal.errors import HTTP_STATUS, CrossmodalError

FAMILY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CrossmodalError)]


def test_the_docstring_draws_the_whole_family() -> None:
    assert len(FAMILY) >= 9
    for kind in [*FAMILY, progress.Stopped]:
        assert kind.__name__ in (errors.__doc__ or ""), f"{kind.__name__} is missing in the picture"


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("code", ["timeout", "not_found"])
def test_code_status_and_words(kind: type[CrossmodalError], code: str) -> None:
    error = kind(code, "It took 9 s.", remedy="Try again.")
    assert isinstance(error, CrossmodalError)
    assert (error.code, error.http_status) == (code, HTTP_STATUS[code])
    assert (str(error), error.remedy, error.sentence) == ("It took 9 s.", "Try again.", "It took 9 s. Try again.")
    assert kind(code, "It took 9 s.").sentence == "It took 9 s."


def test_a_code_outside_the_list_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        CrossmodalError("my_own_code", "x")


@given(st.text(), st.text())
def test_words_stay_on_one_line(message: str, remedy: str) -> None:
    error = CrossmodalError("timeout", message, remedy=remedy)
    assert len(str(error).splitlines()) <= 1
    assert len(error.sentence.splitlines()) <= 1


def test_every_status_is_one_of_http() -> None:
    assert all(400 <= status < 600 for status in HTTP_STATUS.values())
