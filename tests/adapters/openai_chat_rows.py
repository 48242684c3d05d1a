"""Targets for tests of the chat dialect, with the quirks of the catalogue's own rows."""

from services.catalog.reading import read
from services.catalog.schema import Facts, Provider, Scalar, Target

ROWS = {row.id: row for row in read().providers}
OPENAI = ROWS["openai"].quirks
MISTRAL = ROWS["mistral"].quirks
CLOUDFLARE = ROWS["cloudflare"].quirks
XAI = ROWS["xai"].quirks
LOCAL: dict[str, Scalar] = {}


def target(quirks: dict[str, Scalar], facts: Facts | None = None, upstream: str = "some-model") -> Target:
    """A target whose provider has these quirks."""
    row = Provider(id="acme", name="Acme", dialect="openai_chat", base_url="http://acme.test/v1", quirks=quirks)
    return Target(row, "openai_chat", "some-model", upstream, facts or Facts())
