"""Threads asked for in one place stay there."""

import threading

import pytest
import torch

from crossmodal.threads import torch_threads


def test_the_number_holds_for_the_block_and_is_given_back() -> None:
    before = torch.get_num_threads()
    with torch_threads(1):
        assert torch.get_num_threads() == 1
        with torch_threads(3):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_it_is_given_back_when_the_work_fails() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_a_thread_at_work_keeps_its_own_number() -> None:
    seen: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with torch_threads(2):
            started.set()
            go_on.wait(10)
            seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(10)
    with torch_threads(1):
        go_on.set()
        thread.join()
    assert seen == [2]
