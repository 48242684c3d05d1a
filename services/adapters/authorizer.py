"""How the adapter proves to a provider who is asking; `credentials.py` makes these from rows and the environment."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.catalog.schema import Provider


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


class OwnCredentials(Protocol):
    """Credentials that callers brought for their own calls."""

    async def find(self, credential_id: str, provider_id: str) -> tuple[Authorizer, Provider]:
        """The credential with this id, and the provider as it is asked with it (its address may depend on that).

        Raises `UpstreamError(CREDENTIAL)` when there is none that can be used.
        """
        ...


class Credentials(Protocol):
    """All credentials there are."""

    def for_provider(self, provider_id: str) -> Authorizer:
        """The credential of a configured provider."""
        ...
