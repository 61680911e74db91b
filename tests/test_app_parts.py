"""The stand-ins for parts of the app have the signatures of those parts."""

import pytest

from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from tests.app_parts import FakeFetcher, InProcess
from tests.hostile.served import TrappedFetcher
from tests.signatures import differences


@pytest.mark.parametrize(("fake", "real"), [(FakeFetcher, Fetcher), (InProcess, Decoder), (TrappedFetcher, Fetcher)])
def test_they_are_called_like_the_real_ones(fake: type, real: type) -> None:
    assert differences(fake, real) == []
