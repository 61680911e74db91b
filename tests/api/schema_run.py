"""A run of Schemathesis over the OpenAPI document. In a file of its own because the library is slow to load."""

from collections import Counter
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, events, from_schema

from api.app import create_api
from api.settings import ApiOptions
from tests.api.conftest import SHELF, filled_app
from tests.app_parts import png

# Few texts, of every length that is asked for: it takes seconds to find that a pattern has none of 2,000 characters.
TEXTS = ["x", "red", "red disc", "a bar of many colours", "x" * 1_999, "x" * 2_000, "x" * 2_001]
schemathesis.openapi.format("search-text", st.sampled_from(TEXTS))
schemathesis.openapi.format("picture-address", st.sampled_from(sorted(SHELF.pictures)))
schemathesis.openapi.format("filter", st.sampled_from(['{"colour":"red"}', '{"catalogue":["things","added"]}', "{}"]))
for kind in ("png", "jpeg", "webp", "gif", "bmp"):
    PICTURES = st.builds(png, st.sampled_from(["red", "blue"]), st.sampled_from(["disc", "bar"]), st.integers(0, 50))
    schemathesis.openapi.media_type(f"image/{kind}", PICTURES)


REFUSALS = [400, 401, 403, 404, 405, 413, 415, 422, 431]
"""Too much is refused with 413, which the check does not think of."""


class Run:
    """A run of all phases: examples, edge cases of every field, random calls, and chains of dependent calls."""

    def __init__(self, folder: Path, *, examples: int) -> None:
        app = filled_app(folder)
        api = create_api(app, ApiOptions(hosts=frozenset(), allow_paths=False, export_dir=folder / "exports"))
        # Schemathesis sends several files of one field without file names, which makes them texts.
        del api.openapi()["paths"]["/api/items/batch"]["post"]["requestBody"]["content"]["multipart/form-data"]
        config = SchemathesisConfig.from_dict(
            {
                "generation": {"max-examples": examples, "deterministic": True},
                "seed": 7,
                # Texts of our source would be sent as addresses and names whatever the document says of them.
                "analysis": {"constants": {"enabled": False}},
                "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
            }
        )
        schema = schemathesis.openapi.from_asgi("/openapi.json", api, config=config)
        self.statuses: Counter[int] = Counter()
        self.failures: dict[str, str] = {}
        self.problems: list[str] = []
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                self._note(event)
            elif isinstance(event, events.NonFatalError | events.FatalError):
                self.problems.append(str(getattr(event, "info", None) or getattr(event, "exception", event)))
        app.jobs.stop()
        app.jobs.wait(20)
        app.close()

    def _note(self, event: events.ScenarioFinished) -> None:
        for interaction in event.recorder.interactions.values():
            if interaction.response is not None:
                self.statuses[interaction.response.status_code] += 1
        for case_id, checks in event.recorder.checks.items():
            for check in checks:
                if check.status is Status.FAILURE and check.failure_info is not None:
                    failure: Failure = check.failure_info.failure
                    where = event.recorder.cases[case_id].value
                    self.failures.setdefault(
                        f"{event.phase.value} {where.operation.label} {check.name}: {failure.title}",
                        f"{failure.message}\n{check.failure_info.code_sample[:1500]}\n{_said(event, case_id)}",
                    )


def _said(event: events.ScenarioFinished, case_id: str) -> str:
    response = event.recorder.interactions[case_id].response
    return "" if response is None else f"{response.status_code} {response.content[:300]!r}"
