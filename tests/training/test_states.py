"""A state comes back as it was, but for tuples; what cannot come back is refused."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.training.states import packed, unpacked

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers()
TREES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(TREES)
def test_plain_values_come_back(tree: object) -> None:
    tensors, plain = packed(tree)
    assert tensors == {}
    assert unpacked({}, json.loads(json.dumps(plain))) == tree


def test_tensors_come_back_in_their_places() -> None:
    state = {"a": [torch.arange(3), {0: torch.ones(2), "tensor": "tensor 0"}], "dict": (1, 2.5), 7: None}
    tensors, plain = packed(state)
    back = unpacked(tensors, json.loads(json.dumps(plain)))
    assert torch.equal(back["a"][0], torch.arange(3))
    assert torch.equal(back["a"][1][0], torch.ones(2))
    assert back["a"][1]["tensor"] == "tensor 0"
    assert (back["dict"], back[7]) == ([1, 2.5], None)


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        packed({"a": {1, 2}})
