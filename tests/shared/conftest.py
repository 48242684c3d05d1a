"""Fake providers from the folder beside the project: recorded traffic with faults (replay), and a scripted model (actor)."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.gateway import Gateway, serving
from tests.shared.fakes import environment, fake
from tests.shared_replay import AVAILABLE, SHARED
from tests.talking import Upstream, client

collect_ignore_glob = [] if AVAILABLE else ["test_*.py"]


@pytest.fixture(scope="session")
def replay() -> Iterator[str]:
    """The replay server with all recordings."""
    with fake("replay.server", "--recordings", str(SHARED / "recordings")) as url:
        yield url


@pytest.fixture(scope="session")
def actor() -> Iterator[str]:
    """The scripted model."""
    with fake("actor") as url:
        yield url


@pytest.fixture(scope="session")
def replayed(replay: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers are the replay server; silence is short."""
    folder: Path = tmp_path_factory.mktemp("replayed")
    short = {"UPSTREAM_FIRST_BYTE_SECONDS": "3", "UPSTREAM_IDLE_SECONDS": "2", "PING_SECONDS": "1"}
    with serving(folder, environment(replay) | short) as running:
        yield running


@pytest.fixture(scope="session")
def acted(actor: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers are the actor."""
    with serving(tmp_path_factory.mktemp("acted"), environment(actor)) as running:
        yield running


@pytest.fixture(scope="session")
def sdk(acted: Gateway) -> Iterator[openai.OpenAI]:
    """The official SDK, talking to the gateway whose providers are the actor."""
    with client(acted) as made:
        yield made


@pytest.fixture(scope="session")
def book(actor: str) -> Iterator[httpx.Client]:
    """The actor's own record of what it was asked."""
    with httpx.Client(base_url=actor) as http:
        yield http


@pytest.fixture
def upstream(book: httpx.Client) -> Iterator[Upstream]:
    """What reached the providers during the test; one that lets a provider refuse something unforeseen fails."""
    seen = Upstream(book)
    yield seen
    assert seen.refused() == seen.expected
