"""The fakes of the ingest tests have the signatures of what they stand for."""

from crossmodal.images.decoder import Decoder
from crossmodal.ingest.sources.base import Source
from tests.crossmodal.ingest.fakes import FakeDecoder, FakeSource
from tests.signatures import differences


def test_they_are_called_like_the_real_ones() -> None:
    assert differences(FakeDecoder, Decoder) == []
    assert differences(FakeSource, Source) == []
