"""How long a process that died is waited for: not at all if it had lived, ever longer if it never comes up."""

import asyncio
import time
from asyncio.subprocess import Process

from services.runtime.child import Child, spawn


async def starts(command: tuple[str, ...], count: int, healthy_after: float) -> list[float]:
    """When each of some lives began."""
    began: list[float] = []

    async def start() -> Process:
        began.append(time.monotonic())
        return await spawn(*command)

    child = Child("child", start, healthy_after=healthy_after)
    await child.run(lambda _child, _code: len(began) < count)
    return began


async def test_a_process_that_lived_is_replaced_at_once_however_often_it_dies():
    """The ninth life begins as soon as the eighth is over."""
    began = await asyncio.wait_for(starts(("sleep", "0.2"), 9, healthy_after=0.1), 30)
    assert began[-1] - began[-2] < 1.2


async def test_a_process_that_never_comes_up_is_tried_more_and_more_rarely():
    """Its seventh life waits two seconds."""
    began = await asyncio.wait_for(starts(("false",), 7, healthy_after=10), 30)
    assert began[-1] - began[-2] >= 2.0
