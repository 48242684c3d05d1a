"""Runs a plan: tries targets in order and commits to one at its first content.

`Opened` alone is no commitment while another target could still be tried; for the last target it is, so that its caller
sees the answer begin. A caller's own mistake is not tried elsewhere. A target that could be followed by another has only
so long for its first content; the last one has as long as the transport gives it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, Overloaded, ProviderFailed, UpstreamTimeout, forget
from services.ports import Adapters
from services.routing.health import Attempt, LiveHealth
from services.vocabulary.call import Call
from services.vocabulary.event import Event, NativeEvent, Opened

FIRST_CONTENT_S: Final = 60.0
"""How long a target that is not the last may stay silent. Reasoning models think for long, so this is generous."""

_PROLOGUE = frozenset({"response.created", "response.queued", "response.in_progress"})


@dataclass(frozen=True, slots=True)
class Opening:
    """The target that answers, and its events after `Opened`. `close` aborts; report to `attempt`.

    tried: the targets that failed before, and why. source: what `batches` reads.
    """

    target: Target
    opened: Opened
    batches: AsyncIterator[Sequence[Event]]
    attempt: Attempt
    tried: Sequence[GatewayError]
    source: AsyncIterator[Sequence[Event]]

    async def close(self) -> None:
        """Aborts the provider's work, also when `batches` was never read: a generator that has not begun closes nothing."""
        await self.batches.aclose()  # type: ignore[attr-defined]  # an async generator
        await self.source.aclose()  # type: ignore[attr-defined]  # adapters are async generators


class Failover:
    """Tries targets. `first_content_s`: how long one that is not the last may stay silent."""

    def __init__(self, adapters: Adapters, health: LiveHealth, *, first_content_s: float = FIRST_CONTENT_S) -> None:
        self._adapters = adapters
        self._health = health
        self._first_content_s = first_content_s

    async def open(self, targets: Sequence[Target], call: Call) -> Opening:
        """The first target that begins to answer. Raises the error of the only attempt, or one that names them all."""
        failures: list[GatewayError] = []
        for position, target in enumerate(targets):
            attempt = self._health.begin(target)
            if attempt is None and position == len(targets) - 1 and not failures:
                attempt = self._health.force(targets[0])  # all of them rest: one call at a time still asks the first
                target = targets[0]  # noqa: PLW2901
            if attempt is None:
                continue
            batches = self._adapters.generate(call, target)
            last = position == len(targets) - 1
            try:
                head = await self._head(batches, last=last)
            except (ProviderFailed, UpstreamTimeout) as error:
                attempt.failed(error)
                _keep(error, failures)
            except InvalidRequest as error:
                attempt.failed(error)
                if not failures:
                    raise
                _keep(error, failures)  # where an earlier target took the request, this one's refusal is its own
            except TimeoutError:
                late = UpstreamTimeout(f"{target.id} stayed silent.", model=target.id, kind="timeout")
                attempt.failed(late)
                _keep(late, failures)
            except BaseException as error:
                attempt.failed(error) if isinstance(error, GatewayError) else attempt.over()
                raise
            else:
                opened = head[0][0]
                assert isinstance(opened, Opened), "an adapter reports Opened first"
                rest = _resume([head[0][1:], *head[1:]], batches, attempt, streamed=call.stream)
                return Opening(target, opened, rest, attempt, failures, batches)
        if not failures:
            message = "Every provider of this model is resting after failures."
            raise Overloaded(message, retry_after=self._health.soonest(targets))
        raise _all_failed(failures, targets)

    async def _head(self, batches: AsyncIterator[Sequence[Event]], *, last: bool) -> list[Sequence[Event]]:
        """What comes until the commitment."""
        try:
            if last:
                return [await anext(batches)]
            async with asyncio.timeout(self._first_content_s):
                head = [await anext(batches)]
                while not _has_content(head[-1]):
                    head.append(await anext(batches))
                return head
        except StopAsyncIteration:
            raise ProviderFailed("The provider answered with nothing.", kind="protocol") from None
        except BaseException:
            await batches.aclose()  # type: ignore[attr-defined]  # adapters are async generators
            raise


def _keep(error: GatewayError, failures: list[GatewayError]) -> None:
    """For its words: the frames in its traceback hold the request, and this very list."""
    forget(error)
    failures.append(error)


def _has_content(batch: Sequence[Event]) -> bool:
    return any(
        not isinstance(event, Opened) and not (isinstance(event, NativeEvent) and event.name in _PROLOGUE)
        for event in batch
    )


async def _resume(
    head: Sequence[Sequence[Event]], rest: AsyncIterator[Sequence[Event]], attempt: Attempt, *, streamed: bool
) -> AsyncIterator[Sequence[Event]]:
    silent = True
    try:
        for batch in head:
            if batch:
                if silent and _has_content(batch):
                    silent = False
                    attempt.content(streamed=streamed)
                yield batch
        async for batch in rest:
            if silent and _has_content(batch):
                silent = False
                attempt.content(streamed=streamed)
            yield batch
    except GatewayError as error:
        attempt.failed(error)
        raise
    finally:
        await rest.aclose()  # type: ignore[attr-defined]  # adapters are async generators


def _all_failed(failures: Sequence[GatewayError], targets: Sequence[Target]) -> GatewayError:
    if len(failures) == 1:
        return failures[0]
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return ProviderFailed(
        "Every provider failed. " + " ".join(failure.message for failure in failures),
        retry_after=min(waits) if waits else None,
        model=failures[0].model or targets[0].id,
        kind=failures[0].kind,
    )
