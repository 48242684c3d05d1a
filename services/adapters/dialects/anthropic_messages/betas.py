"""Beta features on the native lane: which of those a client names may travel, and what cannot go without its own.

A provider refuses the whole request for a beta it does not know. The row's quirk `betas` lists those it takes: `*` for all, or
names, with `=` and another name where the provider calls it otherwise. Without the quirk none travels.
https://platform.claude.com/docs/en/api/beta-headers
"""

from typing import Final

from services.adapters.dialects.anthropic_messages.losses import Losses
from services.catalog.schema import Target
from services.errors import InvalidRequest

HEADER: Final = "anthropic-beta"
ALL: Final = "*"
SCOPES: Final = "prompt-caching-scope-2026-01-05"

# Fields that only a beta explains, and the beginning of its name. Where it cannot go, they are taken out.
_OF_BETAS: Final = {
    "context_management": "context-management-",
    "diagnostics": "cache-diagnosis-",
    "fallbacks": "server-side-fallback-",
    "speed": "fast-mode-",
}
# The same, where leaving it out would change what is asked.
_NEEDED: Final = {"mcp_servers": "mcp-client-", "container": "skills-"}


class Betas:
    """Those of one request that its provider takes. `names`: as the provider calls them, in the client's order."""

    def __init__(self, asked: str, target: Target, losses: Losses) -> None:
        """`asked`: the client's header."""
        quirk = target.quirks.get("betas")
        taken = [str(name) for name in quirk] if isinstance(quirk, list) else []
        self.all = ALL in taken
        self._provider = target.provider.name
        self._losses = losses
        self._known = {name.partition("=")[0]: name.partition("=")[2] or name for name in taken}
        wanted = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
        self.names = [self._known.get(name, name) for name in wanted if self.all or name in self._known]
        refused = [name for name in wanted if not self.all and name not in self._known]
        if refused:
            losses.dropped(HEADER, f"{self._provider} takes no {', '.join(refused)}.")

    def takes(self, beginning: str) -> bool:
        """Whether the provider takes a beta whose name begins so."""
        return self.all or any(name.startswith(beginning) for name in self._known)

    def fit(self, fields: dict[str, object]) -> None:
        """Takes out the fields whose beta cannot travel. Raises `InvalidRequest` for those that must not be lost."""
        if self.all:
            return
        for name, beta in _NEEDED.items():
            if name in fields and not self.takes(beta):
                raise InvalidRequest(f"{self._provider} cannot honour `{name}`.", param=name)
        for name, beta in _OF_BETAS.items():
            if name in fields and not self.takes(beta):
                del fields[name]
                self._losses.dropped(name, f"{self._provider} does not have this beta.")
