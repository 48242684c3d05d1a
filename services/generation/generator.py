"""From a call to an answer that has begun: plan, hold, open. What all surfaces share."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec
import structlog

from services.catalog.schema import Target
from services.errors import Conflict, GatewayError, InsufficientCredits, Overloaded, RateLimited
from services.generation import deadline
from services.generation.draining import Drains
from services.generation.generation import Generation
from services.generation.heads import note
from services.ports import Admission, Excluded, ExclusionReason, Hold, Limiter, Meter, Order, Outcome, Plan, Router
from services.routing.affinity import Affinity, prefix_of
from services.routing.failover import Failover, Spent
from services.routing.needs import Needs
from services.routing.plan import stripped
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.routing import RouteTaken

_log: Final = structlog.get_logger(__name__)
WEB_SEARCHES: Final = 10
"""How many searches are paid for in advance where a call may make some: models rarely make more."""

CHAT: Final = "openai_chat"

# Where each format says how much the answer may have, for bodies that travel verbatim.
_OUTPUT_LIMIT: Final = {
    "openai_responses": "max_output_tokens",
    CHAT: "max_completion_tokens",
    "anthropic_messages": "max_tokens",
}

_UNPRICED: Final[tuple[ExclusionReason, str]] = "UNPRICED", "it has no price, and the credit is limited"
_NO_CREDIT: Final[tuple[ExclusionReason, str]] = "NO_CREDIT", "the credit does not pay for it"

_number = msgspec.json.Decoder(int)


class Generator:
    """Opens answers. `now` gives Unix seconds, `new_id` a fresh `resp_…`. `limiter`: None lets everything in."""

    def __init__(
        self,
        router: Router,
        failover: Failover,
        meter: Meter,
        affinity: Affinity,
        limiter: Limiter | None = None,
        *,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self._router = router
        self._failover = failover
        self._meter = meter
        self._affinity = affinity
        self._limiter = limiter
        self._now = now
        self.new_id = new_id or _new_id
        self._drains = Drains()

    async def open(self, call: Call, caller: Caller, *, surface: str, response_id: str | None = None) -> Generation:
        """Starts an answer. All that can fail before its first byte fails here, as a `GatewayError`, and costs nothing.

        surface: for the books. response_id: where the caller has made one already.
        """
        response_id = response_id or self.new_id()
        tokens = prompt_tokens(call)
        if self._limiter is None:
            return await self._begun(call, caller, surface, response_id, tokens, None)
        try:
            admission = await self._limiter.admit(call, caller, input_tokens=tokens, surface=surface)
        except (RateLimited, Overloaded) as refused:
            if not caller.policy.byok:
                raise
            return await self._begun(call, caller, surface, response_id, tokens, None, refused)
        try:
            note(admission.headers)
            return await self._begun(call, caller, surface, response_id, tokens, admission)
        except BaseException as error:
            admission.settle(None)
            if isinstance(error, GatewayError):
                error.headers += admission.headers
            raise

    async def standing(self, caller: Caller, *, surface: str) -> Sequence[tuple[str, str]]:
        """Headers that say how much the caller has left, for an answer that nothing was asked for."""
        if self._limiter is None:
            return ()
        with contextlib.suppress(Overloaded):
            return await self._limiter.standing(caller, surface=surface)
        return ()

    @contextlib.asynccontextmanager
    async def reading(self, caller: Caller, *, surface: str) -> AsyncIterator[None]:
        """For the time before `open`: what is refused in here says how much the caller has left, too."""
        try:
            yield
        except GatewayError as error:
            error.headers += await self.standing(caller, surface=surface)
            raise

    async def check(self, call: Call, caller: Caller) -> None:
        """Raises where no target may be asked at all. Nothing is begun."""
        await self._router.plan(call, caller)

    async def foresee(self, call: Call, caller: Caller, *, surface: str) -> Plan:
        """What `open` would do, as an explained plan. Raises as it does, but for rate limits; nobody is asked, nothing held."""
        plan = await self._router.plan(call, caller, explain=True)
        assert plan.explanation is not None, "a router explains when asked to"
        needs = Needs(stripped(call, plan.losses))
        order = _order(self.new_id(), surface, needs, plan.targets, prompt_tokens(call))
        hold, targets = await self._held(msgspec.structs.replace(order, trial=True), caller)
        if len(targets) == len(plan.targets):
            return plan
        excluded, candidates = list(plan.excluded), []
        for target, candidate in zip(plan.targets, plan.explanation.candidates, strict=True):
            if target in targets:
                candidates.append(candidate)
            else:
                excluded.append(Excluded(target.id, *(_UNPRICED if target.id in hold.unpriced else _NO_CREDIT)))
        why = msgspec.structs.replace(plan.explanation, candidates=candidates)
        return msgspec.structs.replace(plan, targets=targets, excluded=excluded, explanation=why)

    async def close(self) -> None:
        """Cuts off the answers that are read on without a client; they are settled with what has come."""
        await self._drains.close()

    async def _begun(
        self,
        call: Call,
        caller: Caller,
        surface: str,
        response_id: str,
        tokens: int,
        admission: Admission | None,
        refused: GatewayError | None = None,
    ) -> Generation:
        """As `_open`; where the policy says so, it goes on when the client leaves."""
        opening = self._open(call, caller, surface, response_id, tokens, admission, refused)
        if caller.policy.on_disconnect != "drain":
            return await opening
        lasting = asyncio.ensure_future(opening)
        try:
            return await asyncio.shield(lasting)
        except asyncio.CancelledError:
            self._drains.add(_read_on(lasting, caller.policy.drain_seconds))
            raise

    async def _open(
        self,
        call: Call,
        caller: Caller,
        surface: str,
        response_id: str,
        tokens: int,
        admission: Admission | None,
        refused: GatewayError | None = None,
    ) -> Generation:
        """`refused`: the limits let nothing in, but what the caller's own credentials serve does not count."""
        began_at = self._now()
        plan = await self._router.plan(call, caller)
        sent = stripped(call, plan.losses) if plan.losses else call
        needs = Needs(sent)
        targets = _own(plan.targets) if refused is not None else plan.targets
        if refused is not None and not targets:
            raise refused
        hold, targets = await self._held(_order(response_id, surface, needs, targets, tokens), caller)
        try:
            sent = _within(sent, hold)
            opening = await self._failover.open(targets, sent, budget_s=deadline.left_s())
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._meter.void(response_id, caller)))
            raise
        for number, spent in enumerate(opening.spent, 2):
            await self._book(f"{response_id}_{number}", spent, surface, sent, caller, began_at)
        target, opened = opening.target, opening.opened
        if plan.losses:
            opened = msgspec.structs.replace(opened, losses=[*plan.losses, *opened.losses])
        if len(targets) > 1 and (prefix := prefix_of(call)) is not None:
            self._affinity.sent(prefix, target.id, self._now())
        route = RouteTaken(call.model, target.id, opening.asked, plan.reason)
        return Generation(
            response_id,
            surface,
            began_at,
            sent,
            caller,
            opening,
            opened,
            route,
            self._meter,
            needs.input_tokens,
            admission,
            self._drains if caller.policy.on_disconnect == "drain" else None,
        )

    async def _held(self, order: Order, caller: Caller) -> tuple[Hold, list[Target]]:
        """What is set aside, and the targets that may be asked with it."""
        try:
            hold = await self._meter.hold(order, caller)
        except InsufficientCredits:
            own = _own(order.targets)
            if not own:
                raise
            return Hold(order.response_id), own  # nothing is charged for these
        except Conflict:  # a process that died began this answer: what it held is there for this one
            return Hold(order.response_id), order.targets
        if not hold.unpriced:
            return hold, order.targets
        return hold, [each for each in order.targets if each.credential or each.id not in hold.unpriced]

    async def _book(self, id: str, spent: Spent, surface: str, call: Call, caller: Caller, began_at: float) -> None:
        """Meters what a target used that was asked at the same time and was slower; an entry of its own."""
        used = spent.usage
        outcome = Outcome(
            response_id=id,
            surface=surface,
            model=call.model,
            target=spent.target,
            usage=used,
            estimated=False,
            status="cancelled",
            streamed=call.stream,
            attempts=1,
            began_at=began_at,
            first_content_ms=None,
            total_ms=(self._now() - began_at) * 1000,
            byok=bool(spent.target.credential),
        )
        try:
            await self._meter.settle(outcome, caller)  # nothing was held for it: it is paid from what is left
        except GatewayError as error:  # the answer is there, and is not lost for this
            _log.error("usage of a hedge not settled", response_id=id, usage=used, exc_info=error)

    def now(self) -> int:
        """Unix seconds."""
        return int(self._now())


async def _read_on(opening: "asyncio.Future[Generation]", seconds: float) -> None:
    """Takes an answer over whose client left before it began."""
    with contextlib.suppress(GatewayError, TimeoutError):
        async with asyncio.timeout(seconds):
            generation = await opening
        await generation.leave()


def _own(targets: Sequence[Target]) -> list[Target]:
    """Those that the caller's own credentials serve."""
    return [target for target in targets if target.credential]


def _order(response_id: str, surface: str, needs: Needs, targets: Sequence[Target], tokens: int) -> Order:
    call = needs.call
    searches = WEB_SEARCHES if needs.web_search else 0
    if call.max_tool_calls is not None:
        searches = min(searches, call.max_tool_calls)
    answers = _answers(call)
    return Order(response_id, surface, call.model, list(targets), tokens, call.max_output_tokens, searches, answers)


def _answers(call: Call) -> int:
    """How many answers are asked for at once: `n` of Chat Completions, which reads it as a number from 1 to 128."""
    asked = call.extra.get("n")
    return _number.decode(asked) if asked is not None and call.native is not None and call.native.format == CHAT else 1


def _within(call: Call, hold: Hold) -> Call:
    """The call with no more output than its credit pays for."""
    limit = hold.max_output_tokens
    if limit is None or (call.max_output_tokens is not None and call.max_output_tokens <= limit):
        return call
    native = call.native
    if native is not None:
        field = {_OUTPUT_LIMIT[native.format]: msgspec.Raw(str(limit).encode())}
        native = msgspec.structs.replace(native, fields={**native.fields, **field})
    return msgspec.structs.replace(call, max_output_tokens=limit, native=native)


def _new_id() -> str:
    """`resp_` and 36 hex digits, the first 12 of which are the time, so that ids sort."""
    return f"resp_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(12)}"
