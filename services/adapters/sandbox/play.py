"""Performs a script in real time. This is what the adapter calls for the dialect `sandbox`."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.sandbox.script import Fail, Hang, Pause, Say, script
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event


async def generate(call: Call, target: Target, *, silence_s: float = 600.0) -> AsyncIterator[Sequence[Event]]:
    """Answers a call: a batch per piece when it streams, else one batch at the end; `Opened` comes first.

    silence_s: how long a hanging answer is waited for. Raises `UpstreamError` where the script fails, and
    `UpstreamError(TIMEOUT)` after that silence.
    """
    whole: list[Event] = []
    for step in script(call, target):
        match step:
            case Say(events) if call.stream:
                yield events
                await asyncio.sleep(0)  # a long answer must not keep other calls from running
            case Say(events):
                whole += events
            case Pause(ms):
                await asyncio.sleep(ms / 1000)
            case Fail(error):
                raise error
            case Hang():
                await asyncio.sleep(silence_s)
                raise UpstreamError(Kind.TIMEOUT, f"sandbox: nothing came for {silence_s:g} seconds, as asked.")
    if whole:
        yield whole
