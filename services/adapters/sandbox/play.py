"""Performs a script in real time. This is what the adapter calls for the dialect `sandbox`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.sandbox.script import Fail, Hang, Pause, Say, script
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event

BATCH: Final = 16  # words that are ready together and go out as one piece


async def generate(call: Call, target: Target, *, silence_s: float = 600.0) -> AsyncIterator[Sequence[Event]]:
    """Answers a call: in small batches when it streams (one per pause when there are any), else in one at the end.

    `Opened` comes first. silence_s: how long a hanging answer is waited for. Raises `UpstreamError` where the script fails,
    and `UpstreamError(TIMEOUT)` after that silence.
    """
    ready: list[Event] = []
    for step in script(call, target):
        if call.stream and ready and (len(ready) >= BATCH or not isinstance(step, Say)):
            yield ready
            ready = []
            await asyncio.sleep(0)  # a long answer must not keep other calls from running
        match step:
            case Say(events):
                ready += events
            case Pause(ms):
                await asyncio.sleep(ms / 1000)
            case Fail(error):
                raise error
            case Hang():
                await asyncio.sleep(silence_s)
                raise UpstreamError(Kind.TIMEOUT, f"sandbox: nothing came for {silence_s:g} seconds, as asked.")
    if ready:
        yield ready
