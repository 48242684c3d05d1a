"""Every convertible recording through the whole gateway, Envoy included, judged by the replay checker."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.gateway import ROOT, Gateway, serving
from tests.shared.fakes import environment
from tests.shared_replay import recordings

PROVIDERS = ROOT / "services" / "catalog" / "providers"

# Refused by us as the public API's own limit says; the provider refused it too, so nobody loses an answer.
REFUSED_BY_LIMIT = {"vertex--generate--test-generate-content-invalid-temperature--a021009f"}

# APIs the gateway does not use by default are asked for by rows of their own: no code, only data.
ROWS = {"openai-chat": "openai", "azure-chat": "azure", "xai-chat": "xai", "bedrock-invoke": "bedrock"}
ROUTES = {
    "openai.chat": "openai-chat",
    "azure.chat": "azure-chat",
    "xai.chat": "xai-chat",
    "bedrock.invoke_anthropic": "bedrock-invoke",
    "bedrock.invoke_anthropic_stream": "bedrock-invoke",
}


def row(id: str, original: str) -> dict[str, Any]:
    """The row of a provider again, under another name and for another of its APIs."""
    given = yaml.safe_load((PROVIDERS / f"{original}.yaml").read_text())
    dialect = "anthropic_bedrock" if original == "bedrock" else "openai_chat"
    quirks = given.get("quirks", {}) | ({"cache_control": True} if original == "openai" else {})  # one came by a router
    return given | {"id": id, "dialect": dialect, "dialects": {}, "aliases": [], "quirks": quirks}


@pytest.fixture(scope="module")
def routed(replay: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with rows for the APIs it would not choose."""
    folder = tmp_path_factory.mktemp("routed")
    config = folder / "rows.yaml"
    config.write_text(yaml.safe_dump({"providers": [row(id, original) for id, original in ROWS.items()]}))
    with serving(folder, environment(replay) | {"CONCENTRATE_CONFIG": str(config)}) as running:
        yield running


def judge(gateway: Gateway, replay: str, chosen: list[dict[str, Any]], routes: Mapping[str, str]) -> int:
    """Runs the checker; fails with its report; the number of recordings that passed."""
    from replay import check

    report: list[str] = []
    results, not_offered = asyncio.run(
        check.run(chosen, gateway.url, gateway.key, replay, dict(routes), strict=True, report=report.append)
    )
    failed = {result.id for result in results if result.verdict == "failed"} - REFUSED_BY_LIMIT
    assert not failed, "\n".join(line for line in report if not any(id in line for id in REFUSED_BY_LIMIT))
    assert not not_offered
    return sum(result.verdict == "passed" for result in results)


def test_every_convertible_recording_passes(replayed: Gateway, replay: str):
    """What providers really answered comes through right, and what they were asked is what we ask."""
    assert judge(replayed, replay, list(recordings()), {}) > 200


def test_recordings_of_other_apis_pass_through_rows_of_their_own(routed: Gateway, replay: str):
    """A provider's other API is one row; its recordings pass as well."""
    chosen = [recording for recording in recordings() if recording["api"] in ROUTES]
    assert judge(routed, replay, chosen, ROUTES) > 90
