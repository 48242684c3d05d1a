"""Runs a plan: tries targets in order and commits to one at its first content.

`Opened` alone is no commitment while another target could still be tried; for the last target it is, so that its caller
sees the answer begin. A caller's own mistake is not tried elsewhere.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.catalog.schema import Target
from services.errors import GatewayError, ProviderFailed, UpstreamTimeout
from services.ports import Adapters
from services.vocabulary.call import Call
from services.vocabulary.event import Event, NativeEvent, Opened

_PROLOGUE = frozenset({"response.created", "response.queued", "response.in_progress"})


@dataclass(frozen=True, slots=True)
class Opening:
    """The target that answers, and its events after `Opened`. Close `batches` to abort."""

    target: Target
    opened: Opened
    batches: AsyncIterator[Sequence[Event]]


async def open_first(targets: Sequence[Target], call: Call, adapters: Adapters) -> Opening:
    """The first target that begins to answer. Raises the error of the only attempt, or one that names them all."""
    failures: list[GatewayError] = []
    for target in targets:
        batches = adapters.generate(call, target)
        try:
            head = [await anext(batches)]
            while target is not targets[-1] and not _has_content(head[-1]):
                head.append(await anext(batches))
        except (ProviderFailed, UpstreamTimeout) as error:
            failures.append(error)
            continue
        except StopAsyncIteration:
            failures.append(ProviderFailed(f"{target.id} answered with nothing.", model=target.id))
            continue
        opened = head[0][0]
        assert isinstance(opened, Opened), "an adapter reports Opened first"
        return Opening(target, opened, _resume([head[0][1:], *head[1:]], batches))
    raise _all_failed(failures)


def _has_content(batch: Sequence[Event]) -> bool:
    return any(
        not isinstance(event, Opened) and not (isinstance(event, NativeEvent) and event.name in _PROLOGUE)
        for event in batch
    )


async def _resume(
    head: Sequence[Sequence[Event]], rest: AsyncIterator[Sequence[Event]]
) -> AsyncIterator[Sequence[Event]]:
    try:
        for batch in head:
            if batch:
                yield batch
        async for batch in rest:
            yield batch
    finally:
        await rest.aclose()  # type: ignore[attr-defined]  # adapters are async generators


def _all_failed(failures: Sequence[GatewayError]) -> GatewayError:
    if len(failures) == 1:
        return failures[0]
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return ProviderFailed(
        "Every provider failed. " + " ".join(failure.message for failure in failures),
        retry_after=min(waits) if waits else None,
        model=failures[-1].model if failures else None,
    )
