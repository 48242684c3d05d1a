"""Google access tokens: from a service account's key file, or from application default credentials.

A token is fetched once for all callers, five minutes before the last one ends, while calls go on with that one.
https://cloud.google.com/docs/authentication/application-default-credentials
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import time

import msgspec

from services.adapters.auth.single_flight import SingleFlight

_EARLY_S = 300.0
_AGAIN_S = 10.0  # between two attempts while the last token still works
_TOKENS_KEPT = 2


class GoogleToken(msgspec.Struct, frozen=True):
    """An access token. ends: seconds since 1970. project: the one that pays for the calls, where it is not the called one."""

    token: str
    ends: float
    project: str | None = None

    def __repr__(self) -> str:
        return f"GoogleToken(ends={self.ends})"


class LibrarySource:
    """Tokens by Google's own library. It is imported in the thread that needs the first one: 16 MB, for those who use it."""

    def __init__(self, key_file: str | None, key_json: str | None = None) -> None:
        """`key_file`: a service account's or any other credential file; None looks for default credentials.

        `key_json`: instead of a file, the text of a service account's.
        """
        self._key_file = key_file
        self._key_json = key_json
        self._fetch: Callable[[], GoogleToken] | None = None

    def __call__(self) -> GoogleToken:
        """A fresh token; blocks. Raises `UpstreamError`."""
        if self._fetch is None:
            from services.adapters.auth.google_library import GoogleCredentials  # noqa: PLC0415 - see above

            self._fetch = GoogleCredentials(self._key_file, self._key_json).fetch
        return self._fetch()


class GoogleBearer:
    """Adds the access token of the moment."""

    def __init__(
        self,
        source: Callable[[], GoogleToken],
        *,
        scope: str,
        secrets: Sequence[str],
        clock: Callable[[], float] = time,
    ) -> None:
        """`source` fetches a token and may block and raise `UpstreamError`; it is called in a thread.

        scope: what seals are bound to. secrets: what else must not be shown. clock: seconds since 1970.
        """
        self._source = source
        self._clock = clock
        self._fixed = list(secrets)
        self._recent: list[str] = []
        self._token: GoogleToken | None = None
        self._next_attempt = 0.0
        self._flight: SingleFlight[GoogleToken] = SingleFlight()
        self.scope = scope
        self.secrets: list[str] = list(secrets)

    def __repr__(self) -> str:
        return f"GoogleBearer(scope={self.scope})"

    async def authorize(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - a token is for every request
        """The bearer token. Raises `UpstreamError` when there is no valid one."""
        token, now = self._token, self._clock()
        if token is None or now >= token.ends:
            token = await self._flight.run(self._fetch)
        elif now >= max(token.ends - _EARLY_S, self._next_attempt):
            self._next_attempt = now + _AGAIN_S
            self._flight.start(self._fetch)
        added = {"authorization": f"Bearer {token.token}"}
        return added if token.project is None else {**added, "x-goog-user-project": token.project}

    async def _fetch(self) -> GoogleToken:
        token = await asyncio.to_thread(self._source)
        self._token = token
        self._recent = [token.token, *self._recent][:_TOKENS_KEPT]
        self.secrets[:] = [*self._recent, *self._fixed]  # in place: whoever holds the list sees it
        return token
