"""Gateways that several files share, because starting one takes seconds. Tests leave them as they found them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge.endless import Endless, endless
from tests.edge.guarded import Guarded
from tests.fake_provider import serve
from tests.gateway import Gateway, serving

# Every provider, and none of them real.
ALL = dict.fromkeys(
    "OPENAI_API_KEY ANTHROPIC_API_KEY AZURE_OPENAI_API_KEY GEMINI_API_KEY AWS_BEARER_TOKEN_BEDROCK XAI_API_KEY CO_API_KEY "
    "MISTRAL_API_KEY HF_TOKEN CLOUDFLARE_API_TOKEN CLOUDFLARE_ACCOUNT_ID VERTEX_ACCESS_TOKEN GOOGLE_CLOUD_PROJECT".split(),
    "none",
) | {
    "AZURE_OPENAI_ENDPOINT": "https://azure.example",
    "AWS_REGION": "eu-central-1",
    "VERTEX_BASE_URL": "http://127.0.0.1:1",
}


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that could ask every provider, and asks none."""
    with serving(tmp_path_factory.mktemp("full"), ALL) as running:
        yield running


@pytest.fixture(scope="session")
def unending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Endless]]:
    """A gateway whose Mistral comes to no end, and that Mistral; at its OpenAI nobody listens. It may be killed in parts."""
    with endless() as provider:
        environment = {
            "MISTRAL_API_KEY": "k-12345678",
            "MISTRAL_BASE_URL": provider.url,
            "OPENAI_API_KEY": "k-12345678",
            "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
            "CONCENTRATE_UNLISTED_MODELS": "allow",
            "CONCENTRATE_BOOTSTRAP_KEY": "sk-cn-v1-unending00000000000000000000000000000000",
        }
        with serving(tmp_path_factory.mktemp("unending"), environment) as running:
            yield running, provider


@dataclass
class Pair:
    """A gateway with two workers, and its file of rows, which lists nothing; `MINE_KEY` is there for a provider in it."""

    gateway: Gateway
    rows: Path


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    rows = folder / "rows.yaml"
    rows.write_text("models: []\n")
    environment = {"CONCENTRATE_CONFIG": str(rows), "MINE_KEY": "mine", "BACKGROUND_LEASE_SECONDS": "1"}
    with serving(folder, environment, WORKERS="2") as running:
        yield Pair(running, rows)


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that waits a second for a provider, and has a model for summaries."""
    short = {"UPSTREAM_IDLE_SECONDS": "1", "UPSTREAM_FIRST_BYTE_SECONDS": "1"}
    with serving(tmp_path_factory.mktemp("impatient"), short, COMPACTION_MODEL="sandbox/echo") as running:
        yield running


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Guarded]]:
    """A gateway whose Mistral and xAI look at keys, and that provider."""
    with serve(Guarded()) as provider:
        assert isinstance(provider, Guarded)
        environment = {
            "MISTRAL_API_KEY": Guarded.OURS,
            "MISTRAL_BASE_URL": provider.url,
            "XAI_BASE_URL": f"{provider.url}/v1",
            "LOG_LEVEL": "debug",
        }
        with serving(tmp_path_factory.mktemp("guarded"), environment) as running:
            yield running, provider
