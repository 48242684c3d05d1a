"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest

from tests.gateway import Gateway, serving
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures for all
from tests.redis_server import redis_url  # noqa: F401 - as above


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--money-examples", type=int, help="how many histories of the books are tried; a few without it")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests that leave it as they found it: `sandbox/echo`, no provider, one worker.

    A test with other settings, or one that kills something, starts its own: `with serving(tmp_path, WORKERS="2") as gateway`.
    """
    with serving(tmp_path_factory.mktemp("gateway")) as running:
        yield running
