"""How long a process that died is waited for: not at all if it had lived, ever longer if it never comes up."""

import asyncio
from asyncio.subprocess import Process
from itertools import pairwise
from typing import cast

import pytest

from services.runtime.child import Child

pytestmark = pytest.mark.virtual_time


class Mortal:
    """A process that ends by itself after so many seconds."""

    returncode = None

    def __init__(self, lives_s: float) -> None:
        self._lives_s = lives_s

    async def wait(self) -> int:
        await asyncio.sleep(self._lives_s)
        return 1


async def pauses(lives_s: float, count: int) -> list[float]:
    """Between the end of each of so many lives and the beginning of the next."""
    now = asyncio.get_running_loop().time
    began: list[float] = []

    async def start() -> Process:
        began.append(now())
        return cast("Process", Mortal(lives_s))

    await Child("child", start, healthy_after=2.0).run(lambda _child, _code: len(began) < count)
    return [round(after - before - lives_s, 3) for before, after in pairwise(began)]


async def test_a_process_that_lived_is_replaced_at_once_however_often_it_dies():
    """As soon as the one before it is over."""
    assert await pauses(2.1, 9) == [0.0] * 8


async def test_a_process_that_never_comes_up_is_tried_more_and_more_rarely():
    """Up to every five seconds."""
    assert await pauses(0.1, 10) == [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]
