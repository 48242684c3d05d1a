"""The single I/O loop for all providers: write the call, send it, read events, and say honestly what went wrong."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from services.adapters import carry, failure
from services.adapters.asking import Asking
from services.adapters.authorizer import Authorizer, Credentials, OwnCredentials
from services.adapters.dialect import Decoder, Dialect, Kind, UpstreamError, UrlNotTaken
from services.adapters.fetching import Fetches, with_bytes
from services.adapters.registry import dialect as dialect_named
from services.adapters.sandbox import play
from services.adapters.sandbox.script import SCOPE
from services.adapters.urls import address
from services.adapters.written import written_for
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event, Opened
from services.wire.frame import Frame, FramingError
from services.wire.http import ConnectionFailed, Http, Response, TimedOut
from services.wire.surrogates import mended

SANDBOX: Final = "sandbox"
ERROR_BYTES_MAX: Final = 1 << 20


class Adapter:
    """Implements `ports.Adapters`."""

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        own: OwnCredentials | None = None,
        fetcher: Fetches | None = None,
    ) -> None:
        """`own`: credentials that callers brought; None: nobody can. `fetcher`: for providers that fetch no URLs."""
        self._fetcher = fetcher
        self._http = http
        self._asking = Asking(credentials, own)

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        """See `ports.Adapters.generate`."""
        secrets: Sequence[str] = ()
        try:
            if target.dialect == SANDBOX:
                async for batch in self._play(call, target):
                    yield batch
                return
            authorizer, target = await self._asking.authorized(target)
            secrets = authorizer.secrets
            async for batch in self._ask(call, target, dialect_named(target.dialect), authorizer):
                yield batch
        except UpstreamError as error:
            raise failure.public(error, target, secrets) from error

    async def _play(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        written = written_for(call, target, SANDBOX, SCOPE)
        async for batch in play.generate(written.call, target, silence_s=self._http.timeouts.idle):
            if isinstance(batch[0], Opened):
                opened = msgspec.structs.replace(batch[0], losses=[*written.losses, *batch[0].losses])
                yield [opened, *written.restored(batch[1:])]
            else:
                yield written.restored(batch)

    async def _ask(
        self, call: Call, target: Target, dialect: Dialect, authorizer: Authorizer
    ) -> AsyncIterator[Sequence[Event]]:
        scope = f"{authorizer.scope}-{dialect.name}"  # one credential may open several APIs, with seals of their own
        written = written_for(call, target, dialect.name, scope)
        try:
            request = written.request(dialect, target)
        except UrlNotTaken:
            if self._fetcher is None:
                raise
            call, fetched = await with_bytes(call, self._fetcher)
            written = written_for(call, target, dialect.name, scope)
            request = written.request(dialect, target)
            request = replace(request, losses=[*request.losses, *fetched])
        call = written.call
        url = address(target, request)
        headers = {**target.provider.headers, **request.headers}
        headers |= await authorizer.authorize(request.method, url, headers, request.body)
        try:
            async with self._http.send(request.method, url, headers, request.body) as response:
                if response.status >= 300:
                    body = (await response.read())[:ERROR_BYTES_MAX]
                    raise failure.of_status(dialect, response.status, response.headers, body)
                if call.stream and _is_whole(response):
                    raise failure.of_whole(dialect, call, target, await response.read())
                native = carry.is_native(call, dialect.name)
                yield [Opened(target.provider.id, scope, [*written.losses, *request.losses], native)]
                if call.stream:
                    async for batch in _stream(response, dialect, call, target):
                        yield written.restored(batch)
                else:
                    yield written.restored(_answer(dialect, await response.read(), call, target))
        except TimedOut:
            raise UpstreamError(Kind.TIMEOUT, "The provider stayed silent for too long.") from None
        except ConnectionFailed as error:
            raise UpstreamError(Kind.UNAVAILABLE, f"The connection to the provider failed ({error}).") from None


def _is_whole(response: Response) -> bool:
    """Whether the body is surely no stream. Of those that are, some come with another type or none."""
    return response.headers.get("content-type", "").startswith("application/json") or failure.is_page(response.headers)


def _answer(dialect: Dialect, body: bytes, call: Call, target: Target) -> Sequence[Event]:
    try:
        return dialect.answer(body, call, target)
    except UpstreamError as error:
        if error.kind is not Kind.PROTOCOL or (body_mended := mended(body)) is None:
            raise
    return dialect.answer(body_mended, call, target)


def _fed(decoder: Decoder, frame: Frame) -> Sequence[Event]:
    """The frame's events. A provider may cut its text within a character; that is no reason to lose the answer."""
    try:
        return decoder.feed(frame)
    except UpstreamError as error:
        if error.kind is not Kind.PROTOCOL or (data := mended(frame.data)) is None:
            raise
    return decoder.feed(msgspec.structs.replace(frame, data=data))


async def _stream(response: Response, dialect: Dialect, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
    framer, decoder = dialect.framing(call)(), dialect.decoder(call, target)
    try:
        async for chunk in response.chunks():
            events: list[Event] = []
            try:
                for frame in framer.feed(chunk):
                    events += _fed(decoder, frame)
            except (UpstreamError, FramingError):
                if events:
                    yield events  # what came whole before the fault was said, and is paid for
                raise
            if events:
                yield events
        events = [event for frame in framer.close() for event in _fed(decoder, frame)]
        events += decoder.close()
    except FramingError as error:
        raise UpstreamError(Kind.PROTOCOL, f"The provider's stream cannot be read: {error}.") from None
    except ConnectionFailed as error:
        raise UpstreamError(Kind.TRUNCATED, f"The connection broke before the answer ended ({error}).") from None
    if events:
        yield events
