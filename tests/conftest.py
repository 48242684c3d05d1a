"""Fixtures for all tests."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.gateway import Gateway, serving
from tests.postgres import mortal_postgres, postgres_server, postgres_url  # noqa: F401 - fixtures for all
from tests.redis_server import redis_url  # noqa: F401 - as above
from tests.virtual_time import VirtualTime

settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=150, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "wander", settings.get_profile("suite"), derandomize=False, max_examples=3000, print_blob=True
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--money-examples", type=int, help="how many histories of the books are tried; a few without it")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that a test runs on."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTime}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests that leave it as they found it: `sandbox/echo`, no provider, one worker.

    A test with other settings, or one that kills something, starts its own: `with serving(tmp_path, WORKERS="2") as gateway`.
    """
    with serving(tmp_path_factory.mktemp("gateway")) as running:
        yield running
