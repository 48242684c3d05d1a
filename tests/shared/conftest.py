"""Fake providers from the folder beside the project: recorded traffic with faults (replay), and a scripted model (actor)."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.gateway import Gateway, free_port, serving
from tests.shared_replay import AVAILABLE, SHARED
from tests.talking import Upstream, client

collect_ignore_glob = [] if AVAILABLE else ["test_*.py"]

_VARIABLE = re.compile(r"([A-Z_]+)=(\S+)")


def environment(fake: str) -> dict[str, str]:
    """Every provider at one fake, with canary credentials: the variables of replay/providers.env."""
    lines = (SHARED / "replay" / "providers.env").read_text().splitlines()
    given = {name: value for line in lines if not line.startswith("#") for name, value in _VARIABLE.findall(line)}
    del given["FAKE"]
    given["CONCENTRATE_UNPRICED_MODELS"] = "allow"  # the fakes serve models that no price list has
    return {name: value.replace("$FAKE", fake) for name, value in given.items()}


@contextlib.contextmanager
def fake(module: str, *arguments: str) -> Iterator[str]:
    """The URL of a fake of the shared folder, running as a process of its own."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *arguments],
        cwd=SHARED,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "the fake did not start"
        time.sleep(0.05)
    raise AssertionError("the fake does not listen")


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
