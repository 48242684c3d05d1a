"""Gateways that several files share, because starting one takes seconds."""

from collections.abc import Iterator

import pytest

from tests.edge.endless import Endless, endless
from tests.gateway import Gateway, serving


@pytest.fixture(scope="session")
def unending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Endless]]:
    """A gateway whose Mistral comes to no end, and that Mistral."""
    with endless() as provider:
        environment = {
            "MISTRAL_API_KEY": "k-12345678",
            "MISTRAL_BASE_URL": provider.url,
            "CONCENTRATE_UNLISTED_MODELS": "allow",
            "CONCENTRATE_BOOTSTRAP_KEY": "sk-cn-v1-unending00000000000000000000000000000000",
        }
        with serving(tmp_path_factory.mktemp("unending"), environment) as running:
            yield running, provider
