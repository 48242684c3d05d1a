"""Trying one target after the other, or two at a time, until one commits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random
from time import time
from typing import Any

import pytest

from services.catalog.schema import Facts, Target
from services.errors import GatewayError, InvalidRequest, Overloaded, ProviderFailed, UpstreamTimeout
from services.routing import failover
from services.routing.breaker import FAILURES_IN_A_ROW, Breakers
from services.routing.failover import FAREWELL_S, Failover, Opening
from services.routing.health import MEASURED_MIN, LiveHealth
from services.routing.hedging import Hedging
from services.routing.metrics.bucket import Key, Observation, Outcome
from services.routing.metrics.live import LiveMetrics
from services.vocabulary.call import Call, ReasoningOptions
from services.vocabulary.event import Event, Finished, NativeEvent, Opened, TextDelta, UsageReported
from services.vocabulary.routing import Routing
from services.vocabulary.usage import Usage
from tests.routing.kit import world

pytestmark = pytest.mark.virtual_time

TARGETS = {each.provider.id: each for each in world({"m": dict.fromkeys("abc", Facts())}).catalog.resolve("m")}
A, B, C = TARGETS["a"], TARGETS["b"], TARGETS["c"]

DOWN = ProviderFailed("It is down.", model="a/m", kind="unavailable")
WRONG = InvalidRequest("No such voice.", param="voice", model="a/m", kind="caller")
NO_PLACE = InvalidRequest("There is no place for it.", param="input[0]")
PROLOGUE = NativeEvent("response.created", b"{}")
ANSWER = (TextDelta("Hi"), UsageReported(Usage(input=1, output=1)), Finished("stop"))


class Play:
    """Adapters that play a script per provider: batches of events, seconds of silence, or an error."""

    def __init__(self, **scripts: Sequence[Any]) -> None:
        self.scripts = scripts
        self.asked: list[str] = []
        self.closed: list[str] = []

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        name = target.provider.id
        self.asked.append(name)
        try:
            for step in self.scripts.get(name, [[Opened(name, "")], ANSWER]):
                match step:
                    case Exception():
                        raise step
                    case int() | float():
                        await asyncio.sleep(step)
                    case _:
                        yield step
        finally:
            self.closed.append(name)


def now() -> float:
    return asyncio.get_running_loop().time()


def opened(name: str) -> list[Opened]:
    return [Opened(name, "")]


class World:
    """A failover over a script, with health of its own."""

    def __init__(self, *, first_content_s: float = 5.0, **scripts: Sequence[Any]) -> None:
        self.play = Play(**scripts)
        self.metrics = LiveMetrics(clock=time)
        self.health = LiveHealth(self.metrics, Breakers(Random(1)), time)
        self.failover = Failover(self.play, self.health, first_content_s=first_content_s)

    async def open(self, *targets: Target, stream: bool = True, hedge: bool = False, **options: Any) -> Opening:
        call = Call(model="m", items=[], stream=stream, routing=Routing(hedge=hedge))
        return await self.failover.open(targets or (A, B, C), call, **options)

    async def answer(self, *targets: Target, **options: Any) -> str:
        opening = await self.open(*targets, **options)
        events = [event async for batch in opening.batches for event in batch]
        opening.attempt.finished(None)
        assert events[0] == ANSWER[0]
        return opening.target.provider.id

    def measured(self, ttft_s: float, target: Target = A) -> None:
        """Enough answers for a percentile."""
        for _ in range(MEASURED_MIN):
            self.metrics.record(Key("m", target.provider.id), Observation(Outcome.OK, 2 * ttft_s, ttft_s, 1, 1))


FAILING = [
    [DOWN],
    [UpstreamTimeout("It is silent.", model="a/m", kind="timeout")],
    [ProviderFailed("Slow down.", model="a/m", kind="rate_limited", retry_after=9)],
    [opened("a"), DOWN],
    [opened("a"), [PROLOGUE], DOWN],
    [opened("a")],
    [],
    [NO_PLACE],
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("script", FAILING, ids=str)
async def test_what_fails_before_its_first_content_is_followed_by_the_next(script, stream):
    """Errors, limits, silence, an end without an answer, and a wire format without a place for the request."""
    here = World(a=script)
    assert await here.answer(stream=stream) == "b"
    assert here.play.asked == ["a", "b"]
    assert here.play.closed == here.play.asked


async def test_nothing_is_tried_again_after_the_first_content():
    """The client has seen words: the failure is its to hear, and counts for the breaker."""
    here = World(a=[opened("a"), [TextDelta("Hi")], DOWN])
    opening = await here.open()
    with pytest.raises(ProviderFailed):
        _ = [batch async for batch in opening.batches]
    assert here.play.asked == ["a"]


async def test_the_callers_mistake_is_not_tried_elsewhere():
    """A provider's 400 is final, unless an earlier one had no objection."""
    with pytest.raises(InvalidRequest, match="voice"):
        await World(a=[WRONG]).open()
    assert await World(a=[DOWN], b=[WRONG]).answer() == "c"


async def test_who_was_not_asked_is_not_counted():
    """A request that a wire format has no place for says nothing about its provider, however often."""
    here = World(a=[NO_PLACE])
    for _ in range(2 * FAILURES_IN_A_ROW):
        assert (await here.open()).asked == 1
    assert here.health.open_until(A) is None
    with pytest.raises(InvalidRequest, match="no place"):
        await World(a=[NO_PLACE], b=[NO_PLACE], c=[NO_PLACE]).open()


async def test_when_all_failed_the_error_names_them_all():
    """One failure keeps its own words; several are told together, with the soonest time to try again, if that may help."""
    later = ProviderFailed("Slow down.", model="b/m", kind="rate_limited", retry_after=9)
    later.headers.append(("x-should-retry", "true"))
    with pytest.raises(ProviderFailed) as failed:
        await World(a=[DOWN], b=[later], c=[opened("c")]).open(stream=False)
    assert str(failed.value) == "Every provider failed. It is down. Slow down. c/m answered with nothing."
    assert (failed.value.retry_after, failed.value.model) == (9, "a/m")
    assert failed.value.headers == later.headers
    with pytest.raises(ProviderFailed, match=r"^It is down\.$"):
        await World(a=[DOWN]).open(A)


async def test_silence_is_followed_by_the_next_and_the_last_one_is_waited_for():
    """A prologue is no content; the last target has all the time it needs."""
    here = World(first_content_s=0.05, a=[opened("a"), [PROLOGUE], 9], b=[opened("b"), 0.2, ANSWER])
    assert await here.answer(A, B) == "b"
    silent = World(first_content_s=0.02, a=[9], b=[opened("b"), 9], c=[UpstreamTimeout("Silent.", model="c/m")])
    with pytest.raises(UpstreamTimeout, match=r"a/m stayed silent\. b/m stayed silent\. Silent\."):
        await silent.open()


async def test_the_deadline_is_for_the_whole_chain():
    """Each target may use half of what is left; before the end the caller hears what was tried."""
    here = World(a=[9], b=[opened("b"), 9], c=[9])
    began = now()
    with pytest.raises(UpstreamTimeout, match=r"before the deadline\. a/m stayed silent\. b/m stayed silent\. c/m"):
        await here.open(budget_s=0.4 + FAREWELL_S)
    assert now() - began == pytest.approx(0.4)
    assert here.play.closed == ["a", "b", "c"]
    assert await World(a=[9]).answer(budget_s=0.4 + FAREWELL_S) == "b"
    with pytest.raises(UpstreamTimeout, match="The deadline was over"):
        await World().open(budget_s=0.01)


async def test_silence_beyond_what_is_usual_is_not_waited_out(monkeypatch: pytest.MonkeyPatch):
    """A target that is known to be quick gets less time; not where much thought is asked for."""
    monkeypatch.setattr(failover, "LEAST_S", 0.05)
    here = World(a=[opened("a"), 0.4, ANSWER])
    here.measured(0.02)
    began = now()
    assert await here.answer() == "b"
    assert now() - began == pytest.approx(4 * 0.02)
    call = Call(model="m", items=[], stream=True, reasoning=ReasoningOptions(effort="high"))
    assert (await here.failover.open([A, B], call)).target is A


async def test_a_dead_target_is_passed_over_and_probed_by_one_call_at_a_time():
    """After its failures in a row nobody waits for it; when it may be probed, only one call asks it."""
    here = World(a=[DOWN])
    for _ in range(FAILURES_IN_A_ROW + 10):
        assert await here.answer(A, B) == "b"
    assert here.play.asked.count("a") == FAILURES_IN_A_ROW


async def tired(here: World, *targets: Target) -> None:
    """These have failed until they rest."""
    for target in targets:
        for _ in range(FAILURES_IN_A_ROW):
            with pytest.raises(ProviderFailed):
                await here.open(target)
    here.play.asked.clear()


async def test_when_all_rest_one_call_at_a_time_asks_and_the_others_wait_for_what_it_finds():
    """It works: the rest is over for all. It does not: the calls beside it get 503 with the seconds to wait."""
    here = World(a=[DOWN])
    await tired(here, A)
    here.play.scripts["a"] = [opened("a"), 0.05, ANSWER]
    assert await asyncio.gather(*(here.answer(A, stream=False) for _ in range(9))) == ["a"] * 9
    assert here.health.open_until(A) is None
    here.play.scripts["a"] = [0.05, DOWN]
    await tired(here, A)
    told = await asyncio.gather(*(here.open(A) for _ in range(9)), return_exceptions=True)
    assert [type(each) for each in told] == [ProviderFailed] + [Overloaded] * 8
    assert all(each.retry_after >= 1 for each in told[1:])  # type: ignore[union-attr]
    assert here.play.asked == ["a"]


async def test_a_call_whose_others_failed_asks_those_that_rest():
    """Who has failed before may work again by now; it is asked only when nobody else is left."""
    here = World(a=[DOWN], b=[DOWN])
    await tired(here, A, B)
    assert await here.answer(A, B, C) == "c"
    here.play.scripts |= {"a": [opened("a"), ANSWER], "c": [DOWN]}
    assert await here.answer(A, B, C) == "a"
    assert here.play.asked == ["c", "c", "a"]
    assert here.health.open_until(A) is None


async def test_the_last_that_does_not_rest_keeps_its_time_but_is_not_waited_for_alone():
    """A slow answer still wins against targets that fail; against one that works again it does not."""
    here = World(first_content_s=0.05, a=[DOWN], b=[opened("b"), 0.3, ANSWER])
    await tired(here, A)
    assert await here.answer(A, B) == "b"
    assert here.play.asked == ["b", "a"]
    here.play.scripts["a"] = [opened("a"), ANSWER]
    assert await here.answer(A, B) == "a"


async def test_what_a_provider_says_to_wait_is_kept_by_those_that_asked_anyway():
    """Asked for want of another choice it limits again: its rest is longer now."""
    limited = ProviderFailed("Slow down.", model="a/m", kind="rate_limited", retry_after=60)
    here = World(a=[DOWN])
    await tired(here, A)
    here.play.scripts["a"] = [limited]
    with pytest.raises(ProviderFailed):
        await here.open(A)
    assert (here.health.open_until(A) or 0) > time() + 55


async def test_a_call_that_leaves_is_not_held_against_anybody():
    """Cancelled while it waits: the provider's work is aborted, and nothing is counted."""
    here = World(a=[9])
    opening = asyncio.ensure_future(here.open())
    await asyncio.sleep(0.01)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert here.play.closed == ["a"]


# ---- hedging ---------------------------------------------------------------------------------------------------------

SLOW = [opened("a"), 0.3, ANSWER]


async def hedged(here: World, saved: int = 1, **options: Any) -> Opening:
    """With so many hedges saved up."""
    here.failover = Failover(here.play, here.health, hedging=Hedging(here.health, share_max=float(saved)))
    return await here.open(hedge=True, **options)


async def test_a_late_target_gets_company_and_the_quicker_one_answers():
    """After its usual time a second one is asked; the slow one is cut off and says nothing about its provider."""
    here = World(a=SLOW)
    here.measured(0.05)
    began = now()
    opening = await hedged(here)
    assert (opening.target, opening.asked, opening.tried) == (B, 2, [])
    assert now() - began == pytest.approx(0.05)
    assert here.play.closed == ["a"]
    assert here.health.open_until(A) is None
    _ = [batch async for batch in opening.batches]
    assert here.play.closed == ["a", "b"]


async def test_the_first_may_still_win():
    """The second one is no better: the first answers, and the second is cut off."""
    here = World(a=SLOW, b=[opened("b"), 9])
    here.measured(0.05)
    opening = await hedged(here)
    assert (opening.target, here.play.closed) == (A, ["b"])
    assert await anext(event async for batch in opening.batches for event in batch) == ANSWER[0]


async def test_what_the_loser_reported_is_told():
    """Usage of an answer that nobody gets is still usage."""
    here = World(a=[opened("a"), [UsageReported(Usage(input=7))], 9])
    here.measured(0.05)
    opening = await hedged(here)
    assert [(each.target, each.usage.input) for each in opening.spent] == [(A, 7)]


async def test_failures_in_a_race_leave_it_to_the_others():
    """One fails: the other goes on. Both fail: the third is asked."""
    here = World(a=[0.1, DOWN], b=[DOWN])
    here.measured(0.05)
    opening = await hedged(here)
    assert (opening.target, opening.asked, len(opening.tried)) == (C, 3, 2)
    mistaken = World(a=[0.1, WRONG], b=[9])
    mistaken.measured(0.05)
    with pytest.raises(InvalidRequest):
        await hedged(mistaken)
    assert mistaken.play.closed == ["a", "b"]


async def test_a_race_that_is_left_stops_both():
    """The caller leaves while two are asked."""
    here = World(a=SLOW, b=[9])
    here.measured(0.05)
    opening = asyncio.ensure_future(hedged(here))
    await asyncio.sleep(0.1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert sorted(here.play.closed) == ["a", "b"]


async def test_only_who_asks_for_it_is_hedged_and_only_where_it_was_measured():
    """Not without the wish, not without a percentile, not for the last target."""
    for hedge, measured, targets in [(False, True, (A, B)), (True, False, (A, B)), (True, True, (A,))]:
        here = World(a=SLOW)
        if measured:
            here.measured(0.05)
        here.failover = Failover(here.play, here.health, hedging=Hedging(here.health, share_max=1))
        assert (await here.open(*targets, hedge=hedge)).target is A
        assert here.play.asked == ["a"]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
async def test_the_share_of_hedged_calls_is_capped(share):
    """However slow a provider is, no more than the share of the calls is asked twice."""
    here = World()
    here.measured(0.05)
    hedging = Hedging(here.health, share_max=share)
    call = Call(model="m", items=[], stream=True, routing=Routing(hedge=True))
    allowed = 0
    for _ in range(1000):
        if hedging.after_s(A, call) is not None:
            allowed += hedging.allow()
    assert allowed == pytest.approx(1000 * share, abs=1)


def test_errors_of_a_chain_hold_no_frames():
    """What is kept of a failure is its words: a traceback's frames hold the request."""

    async def fails() -> GatewayError:
        here = World(a=[DOWN], b=[DOWN])
        with pytest.raises(ProviderFailed) as failed:
            await here.open(A, B)
        return failed.value

    assert "It is down. It is down." in str(asyncio.run(fails()))
    assert DOWN.__traceback__ is None
