"""A call in, the steps of an answer out: events, pauses and failures. Pure; `play` performs them.

`docs/sandbox.md` is what it promises.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.sandbox import seal
from services.adapters.sandbox.answer import PIECES, Answer
from services.adapters.sandbox.directives import Directives, Failure, read
from services.adapters.sandbox.prompt import last_exchange
from services.catalog.schema import Target
from services.vocabulary.call import Call, HostedTool
from services.vocabulary.event import Event, Finished, Loss, Opened, UsageReported

SCOPE: Final = "sandbox"  # there is no credential, so all seals are of one scope


@dataclass(frozen=True, slots=True)
class Say:
    """Events that arrive together."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence before the next step, in milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class Fail:
    """The end, with an error."""

    error: UpstreamError


@dataclass(frozen=True, slots=True)
class Hang:
    """The end, with silence."""


Step = Say | Pause | Fail | Hang


def script(call: Call, target: Target) -> Iterator[Step]:
    """The steps of the answer. The last one is a `Say` that ends with `Finished`, a `Fail` or a `Hang`."""
    exchange = last_exchange(call.items)
    try:
        directives, exchange.asked = read(exchange.asked)
        seal.verify(call.items)
        answer = Answer(call, exchange, directives)
    except UpstreamError as error:
        yield Fail(error)
        return
    if directives.wait_ms:
        yield Pause(directives.wait_ms)
    if directives.fail:
        yield Fail(_failure(directives.fail))
        return
    faults = _faults(directives)
    if isinstance(faults.get(0), Hang):
        yield Hang()
        return
    yield Say((Opened(target.provider.id, SCOPE, _losses(call)),))
    for event in answer.events():
        if isinstance(event, PIECES):
            if answer.sent in faults:
                break
            if directives.delay_ms:
                yield Pause(directives.delay_ms)
        yield Say((event,))
    if faults:  # in the middle, or at the end of an answer that is shorter than its directive thinks
        yield faults[min(faults)]
        return
    yield Say((UsageReported(answer.usage()), Finished(answer.reason, answer.stop_sequence)))


def _faults(directives: Directives) -> dict[int, Step]:
    """What goes wrong, by the number of pieces sent before it does."""
    faults: dict[int, Step] = {}
    if (after := directives.hang_after) is not None:
        faults[after] = Hang()
    if (after := directives.cut_after) is not None:
        faults[after] = Fail(UpstreamError(Kind.TRUNCATED, "sandbox: the connection was cut, as asked."))
    if (after := directives.malformed_after) is not None:
        faults[after] = Fail(UpstreamError(Kind.PROTOCOL, "sandbox: the answer became unreadable, as asked."))
    if (after := directives.error_after) is not None:
        faults[after] = Fail(
            UpstreamError(Kind.FAILED, "sandbox: the generation failed, as asked.", code="server_error")
        )
    return faults


_KINDS: Final = {
    401: Kind.CREDENTIAL,
    403: Kind.CREDENTIAL,
    408: Kind.TIMEOUT,
    429: Kind.RATE_LIMITED,
    504: Kind.TIMEOUT,
}


def _failure(failure: Failure) -> UpstreamError:
    """The error that a provider's HTTP status amounts to."""
    kind = _KINDS.get(failure.status, Kind.CALLER if failure.status < 500 else Kind.UNAVAILABLE)
    message = f"sandbox: failed with status {failure.status}, as asked."
    return UpstreamError(kind, message, status=failure.status, retry_after=failure.retry_after)


def _losses(call: Call) -> list[Loss]:
    """What was asked for and has no meaning here. Sampling options are kept: there is nothing to sample."""
    losses = [
        Loss(f"tools[{index}]", "dropped", f"sandbox/echo never calls a hosted tool of type {tool.kind}.")
        for index, tool in enumerate(call.tools)
        if isinstance(tool, HostedTool)
    ]
    if call.top_logprobs:
        losses.append(Loss("top_logprobs", "dropped", "sandbox/echo has no probabilities."))
    if call.verbosity not in (None, "medium"):
        losses.append(Loss("text.verbosity", "dropped", "sandbox/echo says what it says."))
    losses += [Loss(name, "dropped", "Not known to sandbox/echo.") for name in call.extra]
    return losses
