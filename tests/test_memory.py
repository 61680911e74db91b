"""Freed memory is kept for a while, and everything works where it cannot be."""

import platform

import pytest
import torch

from crossmodal import memory
from crossmodal.memory import freed_memory_kept


class Libc:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.options: dict[int, int] = {}
        self.trimmed = 0

    def mallopt(self, option: int, value: int) -> int:
        self.options[option] = value
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.trimmed += 1
        return 1


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    libc = Libc()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: libc)
    return libc


def test_thresholds_are_raised_and_lowered_again_even_after_a_failure(libc: Libc) -> None:
    def fail() -> None:
        with freed_memory_kept():
            assert min(libc.options.values()) >= 2**20
            assert libc.trimmed == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert max(libc.options.values()) < 2**20
    assert libc.trimmed == 1


def test_another_c_library_is_left_alone(libc: Libc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with freed_memory_kept():
        pass
    assert libc.options == {}


def test_this_computers_memory_works_inside_and_afterwards() -> None:
    with freed_memory_kept():
        assert torch.ones(2**21).sum() == 2**21
    assert torch.ones(2**21).sum() == 2**21
