"""Targets for tests of the chat dialect, with the quirks of the catalogue's own rows."""

from services.adapters.dialects.openai_chat.quirks import Quirks
from services.catalog.reading import read
from services.catalog.schema import Facts, Provider, Scalar, Target

ROWS = {row.id: row for row in read().providers}


def _quirks(provider: str) -> dict[str, Scalar]:
    """Those of this format: a row that speaks others too has theirs beside them."""
    return {name: value for name, value in ROWS[provider].quirks.items() if name in Quirks.__struct_fields__}


OPENAI = _quirks("openai")
MISTRAL = _quirks("mistral")
CLOUDFLARE = _quirks("cloudflare")
XAI = _quirks("xai")
LOCAL: dict[str, Scalar] = {}


def target(quirks: dict[str, Scalar], facts: Facts | None = None, upstream: str = "some-model") -> Target:
    """A target whose provider has these quirks."""
    row = Provider(id="acme", name="Acme", dialect="openai_chat", base_url="http://acme.test/v1", quirks=quirks)
    return Target(row, "openai_chat", "some-model", upstream, facts or Facts())
