"""The app with its background work: every method of the engine that it holds."""

import inspect

import pytest

from app_logic import LostFoundApp
from engine.live import LiveApp

DOCUMENTED = {"_find_similar", "_load_index_from_disk", "_save_index_to_disk", "_build_index_from_dataset"}
METHODS = [
    name for name, _ in inspect.getmembers(LostFoundApp, inspect.isfunction) if not name.startswith("_") or name in DOCUMENTED
]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in {"find_similar", "load_index", "save_index"}])
def test_the_app_has_the_methods_of_its_engine(name: str) -> None:
    of_engine, of_app = getattr(LostFoundApp, name), getattr(LiveApp, name)
    assert inspect.signature(of_app) == inspect.signature(of_engine)
    assert of_app.__doc__
