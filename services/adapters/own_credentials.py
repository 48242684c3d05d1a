"""Credentials that callers brought (BYOK): authorizers made of sealed values, as others are made of the environment.

What a credential holds is read again after a second of use; an authorizer is kept as long as that stays the same, so that
access tokens are fetched once.
"""

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Final, NamedTuple

from services.adapters.authorizer import Authorizer
from services.adapters.credentials import authorizer_of
from services.adapters.dialect import Kind, UpstreamError
from services.catalog.environment import fill
from services.catalog.schema import Provider
from services.errors import GatewayError

Open = Callable[[str], Awaitable[tuple[str, Mapping[str, str]] | None]]
"""Finds provider and values of a credential by its id; None: there is none that can be used."""

READ_AGAIN_S: Final = 1.0
_KEPT_MAX: Final = 10_000
_OPERATORS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION", "GOOGLE_CLOUD_LOCATION")
"""What the gateway's environment says where a credential does not: where to ask, but nothing of an account."""


class _Kept(NamedTuple):
    values: Mapping[str, str]
    authorizer: Authorizer
    provider: Provider
    read_at: float


class SealedCredentials:
    """Implements `authorizer.OwnCredentials`."""

    def __init__(
        self,
        open_: Open,
        row: Callable[[str], Provider | None],
        environment: Mapping[str, str],
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """`row`: of a provider by its id, with its placeholders. `environment`: the gateway's own."""
        self._open = open_
        self._row = row
        self._environment = environment
        self._now = now
        self._kept: dict[str, _Kept] = {}

    def __repr__(self) -> str:
        return f"SealedCredentials({len(self._kept)} in use)"

    async def find(self, credential_id: str, provider_id: str) -> tuple[Authorizer, Provider]:
        """See `OwnCredentials.find`."""
        kept = self._kept.get(credential_id)
        if kept is None or self._now() - kept.read_at >= READ_AGAIN_S:
            kept = await self._read(credential_id, kept)
        if kept.provider.id != provider_id:
            raise UpstreamError(Kind.CREDENTIAL, "This credential is another provider's.")
        return kept.authorizer, kept.provider

    async def _read(self, credential_id: str, kept: _Kept | None) -> _Kept:
        try:
            found = await self._open(credential_id)
        except GatewayError:
            if kept is None:
                raise UpstreamError(Kind.CREDENTIAL, "The credential cannot be read at the moment.") from None
            return kept  # the database is away; what was right a moment ago still is
        if found is None:
            self._kept.pop(credential_id, None)
            raise UpstreamError(Kind.CREDENTIAL, "There is no such credential any more.")
        provider_id, values = found
        if kept is not None and kept.values == values:
            made = kept._replace(read_at=self._now())
        else:
            made = self._made(provider_id, values)
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        self._kept[credential_id] = made
        return made

    def _made(self, provider_id: str, values: Mapping[str, str]) -> _Kept:
        row = self._row(provider_id)
        if row is None:
            raise UpstreamError(Kind.CREDENTIAL, f"There is no provider {provider_id} here any more.")
        names = (*_OPERATORS, *((row.base_url_env,) if row.base_url_env else ()))
        ours = {name: self._environment[name] for name in names if name in self._environment}
        environment = {**ours, **values}
        provider = fill(row, environment)
        if provider is None:
            raise UpstreamError(Kind.CREDENTIAL, f"The credential does not say all that {row.name} must be told.")
        return _Kept(values, authorizer_of(provider, environment), provider, self._now())
