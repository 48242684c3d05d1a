"""How the adapter proves to a provider who is asking; `credentials.py` makes these from rows and the environment."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Authorizer(Protocol):
    """One credential for one provider.

    scope: short fingerprint of the credential (8 hex digits); sealed reasoning is bound to it.
    secrets: the literal strings that must never be shown to anyone.
    """

    @property
    def scope(self) -> str: ...

    @property
    def secrets(self) -> Sequence[str]: ...

    async def authorize(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Headers to add. Raises `UpstreamError(CREDENTIAL)` when no valid credential can be had."""
        ...


class Credentials(Protocol):
    """All credentials there are."""

    def for_provider(self, provider_id: str) -> Authorizer:
        """The credential of a configured provider."""
        ...
