"""Trying one target after the other, or two at a time, until one commits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from math import ceil
from random import Random
from typing import Any

import pytest

from services.catalog.schema import Facts, Target
from services.errors import GatewayError, InvalidRequest, Overloaded, ProviderFailed, UpstreamTimeout
from services.routing.breaker import FAILURES_IN_A_ROW, PROBE_INTERVAL_MAX_S, PROBE_INTERVAL_S, Breakers
from services.routing.failover import FAREWELL_S, FIRST_CONTENT_S, LEAST_S, LOOK_AGAIN_S, Failover, Opening
from services.routing.health import MEASURED_MIN, SOON_S, LiveHealth
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


def now() -> float:
    return asyncio.get_running_loop().time()


def limited(seconds: int) -> ProviderFailed:
    return ProviderFailed("Slow down.", model="a/m", kind="rate_limited", retry_after=seconds)


class Turns(list[Sequence[Any]]):
    """Scripts, one for each time a provider is asked; the last one stays."""


class Play:
    """Adapters that play a script per provider: batches of events, seconds of silence, or an error."""

    def __init__(self, **scripts: Sequence[Any]) -> None:
        self.scripts = scripts
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.times: list[float] = []

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        name = target.provider.id
        self.asked.append(name)
        self.times.append(now())
        script = self.scripts.get(name, [[Opened(name, "")], ANSWER])
        if isinstance(script, Turns):
            script = script.pop(0) if len(script) > 1 else script[0]
        try:
            for step in script:
                match step:
                    case Exception():
                        raise step
                    case int() | float():
                        await asyncio.sleep(step)
                    case _:
                        yield step
        finally:
            self.closed.append(name)


def opened(name: str) -> list[Opened]:
    return [Opened(name, "")]


class World:
    """A failover over a script, with health of its own."""

    def __init__(self, *, first_content_s: float = FIRST_CONTENT_S, **scripts: Sequence[Any]) -> None:
        self.play = Play(**scripts)
        self.metrics = LiveMetrics(clock=now)
        self.health = LiveHealth(self.metrics, Breakers(Random(1)), now)
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
    [limited(9)],
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
    """One failure keeps its own words; several are told together, with the soonest time to try again."""
    with pytest.raises(ProviderFailed) as failed:
        await World(a=[DOWN], b=[limited(9)], c=[opened("c")]).open(stream=False)
    assert str(failed.value) == "Every provider failed. It is down. Slow down. c/m answered with nothing."
    assert (failed.value.retry_after, failed.value.model) == (9, "a/m")
    with pytest.raises(ProviderFailed, match=r"^It is down\.$"):
        await World(a=[DOWN]).open(A)


async def test_silence_is_followed_by_the_next_and_the_last_one_is_waited_for():
    """A prologue is no content; the last target has all the time it needs."""
    began = now()
    here = World(a=[opened("a"), [PROLOGUE], 999], b=[opened("b"), 300, ANSWER])
    assert await here.answer(A, B) == "b"
    assert now() - began == pytest.approx(FIRST_CONTENT_S + 300)
    silent = World(a=[999], b=[opened("b"), 999], c=[UpstreamTimeout("Silent.", model="c/m")])
    with pytest.raises(UpstreamTimeout, match=r"a/m stayed silent\. b/m stayed silent\. Silent\."):
        await silent.open()


async def test_the_deadline_is_for_the_whole_chain():
    """Each target may use half of what is left; before the end the caller hears what was tried."""
    here = World(a=[9], b=[opened("b"), 9], c=[9])
    began = now()
    with pytest.raises(UpstreamTimeout, match=r"before the deadline\. a/m stayed silent\. b/m stayed silent\. c/m"):
        await here.open(budget_s=4 + FAREWELL_S)
    assert [round(at - began, 6) for at in here.play.times] == [0, 2, 3]
    assert now() - began == pytest.approx(4)
    assert here.play.closed == ["a", "b", "c"]
    assert await World(a=[9]).answer(budget_s=4 + FAREWELL_S) == "b"
    with pytest.raises(UpstreamTimeout, match="The deadline was over"):
        await World().open(budget_s=0.01)


async def test_silence_beyond_what_is_usual_is_not_waited_out():
    """A target that is known to be quick gets less time; not where much thought is asked for."""
    here = World(a=[opened("a"), LEAST_S + 20, ANSWER])
    here.measured(0.5)
    began = now()
    assert await here.answer() == "b"
    assert now() - began == pytest.approx(LEAST_S)
    call = Call(model="m", items=[], stream=True, reasoning=ReasoningOptions(effort="high"))
    assert (await here.failover.open([A, B], call)).target is A


# ---- resting ---------------------------------------------------------------------------------------------------------


def judge_probes(times: Sequence[float]) -> None:
    """A dead target's failures, and then nothing but probes, whose intervals double; each is jittered down to half of it."""
    interval = PROBE_INTERVAL_S
    for earlier, later in pairwise(times[FAILURES_IN_A_ROW - 1 :]):
        assert later - earlier >= interval / 2
        interval = min(2 * interval, PROBE_INTERVAL_MAX_S)


async def test_a_dead_sole_provider_gets_its_failures_and_then_only_probes():
    """Of 200 calls in a row those that asked hear why; all others get 503 with the seconds until somebody may ask."""
    here = World(a=[DOWN])
    came_back: list[bool] = []
    for _ in range(200):
        asked = len(here.play.asked)
        try:
            await here.open(A)
        except ProviderFailed as failed:
            assert str(failed) == "It is down."
            assert len(here.play.asked) == asked + 1
        except Overloaded as refused:
            assert len(here.play.asked) == asked
            until = here.health.open_until(A)
            assert until is not None
            assert refused.retry_after == ceil(until - now()) > SOON_S
            assert f"a/m rests for {refused.retry_after} s, it was not available" in str(refused)
            if len(came_back) < 10:  # who comes back when told to asks
                await asyncio.sleep(refused.retry_after)
                with pytest.raises(ProviderFailed):
                    await here.open(A)
                came_back.append(True)
        await asyncio.sleep(0.5)
    judge_probes(here.play.times)
    assert FAILURES_IN_A_ROW + 10 < len(here.play.asked) < 30
    assert len(came_back) == 10


async def test_beside_a_dead_provider_another_serves_every_call():
    """Nobody sees an error, and the dead one gets its failures and then only probes."""
    here = World(a=[DOWN])
    for _ in range(200):
        assert await here.answer(A, B) == "b"
        await asyncio.sleep(0.5)
    judge_probes([at for at, name in zip(here.play.times, here.play.asked, strict=True) if name == "a"])
    assert FAILURES_IN_A_ROW < here.play.asked.count("a") < 15


async def test_what_a_provider_says_to_wait_is_kept_by_everybody():
    """Thirty callers without another choice: none asks before the time it named, and then one does."""
    here = World(a=[0.1, limited(3)])

    async def client() -> None:
        while now() < end:
            with pytest.raises((ProviderFailed, Overloaded)):
                await here.open(A)
            await asyncio.sleep(0.3)

    began = now()
    end = began + 60
    await asyncio.gather(*(client() for _ in range(30)))
    later = [at for at in here.play.times if at > began]
    assert all(second - first >= 3.1 for first, second in pairwise([began, *later]))
    assert len(later) > 10


async def test_a_short_wait_costs_a_moment_and_no_error():
    """`Retry-After: 1` of the only provider is told to who met it, and waited for by those that come then."""
    here = World(a=Turns([[limited(1)], [opened("a"), ANSWER]]))
    with pytest.raises(ProviderFailed, match=r"^Slow down\.$") as failed:
        await here.open(A)
    assert failed.value.retry_after == 1
    began = now()
    assert await asyncio.gather(here.answer(A), here.answer(A)) == ["a", "a"]
    assert 1 <= now() - began <= SOON_S


async def test_a_call_waits_for_those_that_rest_only_so_long():
    """Providers that come back one after the other, and fail again, do not keep their caller for ever."""
    here = World(a=[limited(1)], b=[1, limited(1)], c=[1, limited(1)])
    for target in (A, B, C):
        with pytest.raises(ProviderFailed):
            await here.open(target)
    here.play.asked.clear()
    began = now()
    with pytest.raises(ProviderFailed, match="Every provider failed"):
        await here.open()
    assert sorted(here.play.asked) == ["a", "b", "c"]
    assert now() - began <= 5


async def tired(here: World, *targets: Target) -> None:
    """These have failed until they rest."""
    for target in targets:
        for _ in range(FAILURES_IN_A_ROW):
            with pytest.raises(ProviderFailed):
                await here.open(target)
    here.play.asked.clear()


async def test_one_call_at_a_time_probes_and_the_others_wait_for_what_it_finds():
    """It works: the rest is over for all. It does not: the calls beside it get 503 with the seconds to wait."""
    here = World(a=[DOWN])
    await tired(here, A)
    here.play.scripts["a"] = [opened("a"), 0.5, ANSWER]
    assert await asyncio.gather(*(here.answer(A, stream=False) for _ in range(9))) == ["a"] * 9
    assert here.health.open_until(A) is None
    here.play.scripts["a"] = [0.5, DOWN]
    await tired(here, A)
    told = await asyncio.gather(*(here.open(A) for _ in range(9)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in told) == ["Overloaded"] * 8 + ["ProviderFailed"]
    assert {each.retry_after for each in told if isinstance(each, Overloaded)} == {here.health.soonest([A])}
    assert here.play.asked == ["a"]


async def test_a_call_whose_others_failed_probes_one_that_rests():
    """Who has failed before may work again by now; it is asked only when nobody else is left, and when it may be."""
    here = World(a=[DOWN], b=[limited(60)])
    await tired(here, A)
    with pytest.raises(ProviderFailed):
        await here.open(B)
    assert await here.answer(A, B, C) == "c"
    here.play.scripts |= {"a": [opened("a"), ANSWER], "c": [DOWN]}
    assert await here.answer(A, B, C) == "a"
    assert here.play.asked == ["b", "c", "c", "a"]
    assert here.health.open_until(A) is None
    here.play.scripts["a"] = [DOWN]
    rests = r"It is down\. Not asked: b/m rests for (59|60) s, it limited the rate\.$"
    with pytest.raises(ProviderFailed, match=rests) as failed:
        await here.open(A, B)
    assert (failed.value.retry_after or 0) >= 59


async def test_the_last_that_does_not_rest_keeps_its_time_but_is_not_waited_for_alone():
    """A slow answer still wins against targets that fail; against one that works again it does not."""
    here = World(a=[DOWN], b=[opened("b"), 300, ANSWER])
    await tired(here, A)
    assert await here.answer(A, B) == "b"
    assert here.play.asked[:2] == ["b", "a"]
    here.play.scripts["a"] = Turns([[limited(100)], [opened("a"), ANSWER]])
    await asyncio.sleep(PROBE_INTERVAL_MAX_S)
    with pytest.raises(ProviderFailed):
        await here.open(A)
    began = now()
    assert await here.answer(A, B) == "a"
    assert 100 <= now() - began <= 101 + LOOK_AGAIN_S


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
