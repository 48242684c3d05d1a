"""One target being asked: until it commits to an answer, and then its events.

A streamed answer commits at its first content; `Opened` and a native stream's prologue are none. A whole answer is its own
first content.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, ProviderFailed, UpstreamTimeout, forget
from services.ports import Adapters
from services.routing.health import Attempt
from services.vocabulary.call import Call
from services.vocabulary.event import Event, NativeEvent, Opened, UsageReported
from services.vocabulary.usage import Usage

_PROLOGUE = frozenset({"response.created", "response.queued", "response.in_progress"})


class Asking:
    """Leave to ask (`attempt`) in use. `ready` once; then `events` once, or `abandon`."""

    def __init__(self, adapters: Adapters, call: Call, target: Target, attempt: Attempt) -> None:
        self.target = target
        self.attempt = attempt
        self._streamed = call.stream
        self._batches = adapters.generate(call, target)
        self._head: list[Sequence[Event]] = []

    async def ready(self, patience_s: float | None, *, at_opened: bool = False) -> GatewayError | None:
        """Waits until the target commits, for at most so long. What failed, where another target may do better.

        at_opened: takes the beginning of an answer for its content: there is no other target. Raises what ends the call.
        """
        try:
            async with asyncio.timeout(patience_s):
                await self._fill(at_opened=at_opened)
        except TimeoutError:
            silent = UpstreamTimeout(f"{self.target.id} stayed silent.", model=self.target.id, kind="timeout")
            return await self._failed(silent)
        except StopAsyncIteration:
            empty = f"{self.target.id} answered with nothing."
            return await self._failed(ProviderFailed(empty, model=self.target.id, kind="protocol"))
        except InvalidRequest as error:
            if error.kind is not None:
                return await self._failed(error)
            await self.abandon()  # its wire format has no place for the request, so the provider was not asked
            forget(error)
            return error
        except (ProviderFailed, UpstreamTimeout) as error:
            return await self._failed(error)
        except GatewayError as error:
            await self._failed(error)
            raise
        except BaseException:
            await self.abandon()
            raise
        return None

    @property
    def opened(self) -> Opened:
        """How the answer began. Only once `ready` has found no failure."""
        opened = self._head[0][0]
        assert isinstance(opened, Opened), "an adapter reports Opened first"
        return opened

    @property
    def usage(self) -> Usage | None:
        """What the target has reported so far."""
        reported = [event.usage for batch in self._head for event in batch if isinstance(event, UsageReported)]
        return reported[-1] if reported else None

    async def events(self) -> AsyncIterator[Sequence[Event]]:
        """The answer after `opened`. Closing it aborts the provider's work."""
        silent = True
        try:
            for batch in (self._head[0][1:], *self._head[1:]):
                if batch:
                    silent = silent and not self._begins(batch)
                    yield batch
            self._head = []
            async for batch in self._batches:
                silent = silent and not self._begins(batch)
                yield batch
        except GatewayError as error:
            self.attempt.failed(error)
            raise
        finally:
            await self.close()

    async def abandon(self) -> None:
        """Aborts what is under way; nothing is counted for or against the provider."""
        self.attempt.over()
        await self.close()

    async def _fill(self, *, at_opened: bool) -> None:
        """What comes until the commitment."""
        while True:
            batch = await anext(self._batches)
            self._head.append(batch)
            if self._begins(batch) or at_opened:
                return

    def _begins(self, batch: Sequence[Event]) -> bool:
        if not _has_content(batch):
            return False
        self.attempt.content(streamed=self._streamed)
        return True

    async def _failed(self, error: GatewayError) -> GatewayError:
        """Reports it; its traceback's frames, which hold the request, are let go of."""
        self.attempt.failed(error)
        await self.close()
        forget(error)
        return error

    async def close(self) -> None:
        """Aborts the provider's work, whether any event was read or not."""
        await self._batches.aclose()  # type: ignore[attr-defined]  # adapters are async generators


def _has_content(batch: Sequence[Event]) -> bool:
    return any(
        not isinstance(event, Opened | UsageReported)
        and not (isinstance(event, NativeEvent) and event.name in _PROLOGUE)
        for event in batch
    )
