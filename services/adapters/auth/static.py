"""Credentials that are one header, always the same: bearer tokens, API keys, and none at all."""

from collections.abc import Mapping, Sequence


class StaticHeaders:
    """Adds fixed headers."""

    def __init__(self, headers: Mapping[str, str], scope: str, secrets: Sequence[str] = ()) -> None:
        """`secrets`: what must never be shown."""
        self._headers = headers
        self.scope = scope
        self.secrets = secrets

    def __repr__(self) -> str:
        return f"StaticHeaders({', '.join(self._headers)}, scope={self.scope})"

    async def authorize(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - one credential for every request
        """The headers."""
        return self._headers
