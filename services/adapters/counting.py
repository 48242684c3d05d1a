"""Asks providers for their own count of a prompt."""

from collections.abc import Sequence

import msgspec

from services.adapters import failure
from services.adapters.asking import Asking
from services.adapters.authorizer import Credentials, OwnCredentials
from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects import counts
from services.adapters.registry import DIALECTS
from services.adapters.urls import address
from services.adapters.written import written_for
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.wire.http import ConnectionFailed, Http, TimedOut


class ProviderCounts:
    """Implements `ports.PromptCounts`."""

    def __init__(self, http: Http, credentials: Credentials, own: OwnCredentials | None = None) -> None:
        """`own`: as of the `Adapter`."""
        self._http = http
        self._asking = Asking(credentials, own)

    async def count(self, call: Call, target: Target) -> int | None:
        """See `ports.PromptCounts.count`."""
        dialect = DIALECTS.get(target.dialect)
        if dialect is None:
            return None
        secrets: Sequence[str] = ()
        try:
            authorizer, target = await self._asking.authorized(target)
            secrets = authorizer.secrets
            whole = msgspec.structs.replace(call, stream=False)
            written = written_for(whole, target, dialect.name, f"{authorizer.scope}-{dialect.name}")
            request = counts.asking(dialect.name, written.request(dialect, target), target)
            if request is None:
                return None
            url = address(target, request)
            headers = {**target.provider.headers, **request.headers}
            headers |= await authorizer.authorize(request.method, url, headers, request.body)
            async with self._http.send(request.method, url, headers, request.body) as response:
                body = await response.read()
                if response.status >= 300:
                    raise failure.of_status(dialect, response.status, response.headers, body)
                return counts.read(body)
        except TimedOut:
            raise failure.public(UpstreamError(Kind.TIMEOUT, "It stayed silent."), target, secrets) from None
        except ConnectionFailed as error:
            raise failure.public(UpstreamError(Kind.UNAVAILABLE, f"{error}"), target, secrets) from None
        except UpstreamError as error:
            raise failure.public(error, target, secrets) from error


class NoCounts:
    """Implements `ports.PromptCounts` where providers are asked by a process of its own."""

    async def count(self, call: Call, target: Target) -> int | None:  # noqa: ARG002  # the port's
        """Nobody counts."""
        return None
