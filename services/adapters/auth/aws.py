"""AWS credentials: keys from the environment, else the chain of AWS's own library (profile, SSO, role, container, instance)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

from services.adapters.auth.sigv4 import AwsKeys, sign
from services.adapters.auth.single_flight import SingleFlight

_ASK_AGAIN_S = 60.0  # the library refreshes temporary keys itself, minutes before they expire
_SECRETS_KEPT = 6  # of the keys in use and those just before them: an answer to an older request may still quote them


class KeySource(Protocol):
    """Where keys come from."""

    async def keys(self) -> AwsKeys:
        """Keys that are valid now. Raises `UpstreamError(CREDENTIAL)`."""
        ...


class FixedKeys:
    """The same keys for ever."""

    def __init__(self, keys: AwsKeys) -> None:
        """`keys`: as the environment gave them."""
        self._keys = keys

    async def keys(self) -> AwsKeys:
        """The keys."""
        return self._keys


class ChainKeys:
    """Keys of AWS's default chain. The library is imported when the first call needs it, and asked in a thread."""

    def __init__(self, profile: str | None, *, clock: Callable[[], float] = monotonic) -> None:
        """`profile`: a section of the shared files, the default one if None. `clock`: seconds."""
        self._profile = profile
        self._clock = clock
        self._chain: Callable[[], AwsKeys] | None = None
        self._keys: AwsKeys | None = None
        self._until = 0.0
        self._flight: SingleFlight[AwsKeys] = SingleFlight()

    async def keys(self) -> AwsKeys:
        """Keys that are valid now; the library is asked at most once a minute, by one caller for all."""
        if self._keys is None or self._clock() >= self._until:
            self._keys = await self._flight.run(self._ask)
        return self._keys

    async def _ask(self) -> AwsKeys:
        keys = await asyncio.to_thread(self._ask_library)
        self._until = self._clock() + _ASK_AGAIN_S
        return keys

    def _ask_library(self) -> AwsKeys:
        if self._chain is None:
            from services.adapters.auth.aws_library import AwsChain  # noqa: PLC0415 - 20 MB, for those who use the chain

            self._chain = AwsChain(self._profile).keys
        return self._chain()


class AwsSigner:
    """Signs every request, with the keys of the moment."""

    def __init__(
        self,
        source: KeySource,
        *,
        region: str,
        service: str,
        scope: str,
        secrets: Sequence[str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`scope`: what seals are bound to. `secrets`: what else must not be shown. `clock`: now, in UTC."""
        self._source = source
        self._region = region
        self._service = service
        self._clock = clock
        self._fixed = list(secrets)
        self._used: list[str] = []
        self.scope = scope
        self.secrets: list[str] = list(secrets)

    def __repr__(self) -> str:
        return f"AwsSigner({self._region}, scope={self.scope})"

    async def authorize(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The signature and the headers it covers. Raises `UpstreamError(CREDENTIAL)`."""
        keys = await self._source.keys()
        if keys.access_key not in self._used:
            new = [value for value in (keys.access_key, keys.secret_key, keys.token) if value]
            self._used = [*new, *self._used][:_SECRETS_KEPT]
            self.secrets[:] = [*self._used, *self._fixed]  # in place: whoever holds the list sees it
        return sign(method, url, headers, body, keys=keys, region=self._region, service=self._service, at=self._clock())
