"""The services behind the public surface, as interfaces.

Each is a plain object in its own room; `runtime` gives the surface either that object or a gRPC client with the same
methods (`ROUTING_ADDRESS`, `ADAPTERS_ADDRESS`, `BILLING_ADDRESS`), so nobody here can tell the difference.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

import msgspec

from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.caller import INFERENCE, Caller
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Loss
from services.vocabulary.limits import ScopeLimits
from services.vocabulary.usage import Usage

ExclusionReason = Literal[
    "NOT_ALLOWED",
    "NOT_ZDR",
    "TOO_EXPENSIVE",
    "LACKS_FEATURE",
    "LOSES_PARAMETER",
    "RESTING",
    "UNPRICED",
    "NO_CREDIT",
]


class Excluded(msgspec.Struct, frozen=True):
    """A target that cannot or must not serve the call. target: `provider/model`. detail: why, for people."""

    target: str
    reason: ExclusionReason
    detail: str


class Score(msgspec.Struct, frozen=True):
    """What is known of a target; None: nothing. sort: the value of the metric that the order follows (dollars for `cost`).

    quality: the model's tier, 1 to 5. latency: median seconds to the first token. uptime: 0 to 1. Both over the request's
    interval. auto: how well the model fits, 0 to 1, where `auto` was asked for.
    """

    sort: float | None = None
    quality: int | None = None
    latency: float | None = None
    uptime: float | None = None
    auto: float | None = None


class Candidate(msgspec.Struct, frozen=True):
    """A target of a plan, explained. predicted_cost: US dollars; None: it has no price.

    preferred: why it comes before the sort (`asked for`, `sealed the reasoning`, `prompt is cached`); empty when it does not.
    resting: it has failed, and is asked only whether it works again. byok: asked with the caller's own credential.
    """

    target: str
    predicted_cost: float | None
    preferred: str
    score: Score
    resting: bool = False
    byok: bool = False


class Band(msgspec.Struct, frozen=True):
    """What `auto` takes a call for. difficulty: 0 to 1. tier_min, tier_max: the quality tiers that fit."""

    difficulty: float
    tier_min: int
    tier_max: int


class Explanation(msgspec.Struct, frozen=True):
    """Why a plan is as it is. candidates: one per target. sort, interval_s: the order's metric, and its window.

    input_tokens, output_tokens: predicted. band: where `auto` was asked for.
    """

    candidates: list[Candidate]
    sort: str
    interval_s: int
    input_tokens: int
    output_tokens: int
    band: Band | None = None


class Plan(msgspec.Struct, frozen=True):
    """Where a call may go: targets in the order to try them (at least one; those that rest come last), and why not elsewhere.

    losses: features given up because no offer has all of them. reason: what decided the order, for people.
    explanation: where it was asked for.
    """

    targets: list[Target]
    excluded: list[Excluded] = []
    losses: list[Loss] = []
    reason: str = ""
    explanation: Explanation | None = None


class Router(Protocol):
    """Chooses providers for a call."""

    async def plan(self, call: Call, caller: Caller, *, explain: bool = False) -> Plan:
        """Targets for the call; with `explain`, why these.

        Raises `ModelNotFound` (with the nearest names), `InvalidRequest`, `NoZdrRoute`, or `PermissionDenied` where the caller
        may use none of them.
        """
        ...


class Adapters(Protocol):
    """Talks to providers."""

    def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        """Asks one provider. Yields events in batches, as they arrive; `Opened` comes first.

        Raises a `GatewayError` (ProviderFailed, UpstreamTimeout, InvalidRequest), before or between batches.
        Closing the iterator aborts the upstream request.
        """
        ...


class PromptCounts(Protocol):
    """Asks providers how many tokens a prompt has."""

    async def count(self, call: Call, target: Target) -> int | None:
        """The provider's own count; None where it does not count. Raises a `GatewayError` as `generate` does."""
        ...


class Count(msgspec.Struct, frozen=True):
    """Tokens of a prompt. estimated: nobody counted; the size of the prompt tells about how many."""

    tokens: int
    estimated: bool = False


class TokenCounter(Protocol):
    """Knows how many tokens a prompt has."""

    async def count(self, call: Call, target: Target) -> Count:
        """The provider's count, else an estimate. Raises `InvalidRequest` for what the provider would refuse."""
        ...


class Order(msgspec.Struct, frozen=True):
    """A call about to be made, as far as money is concerned.

    response_id: the idempotency key of all that follows. surface, model: as asked (`responses`, `auto`). targets: who may
    be asked. input_tokens: an upper estimate. max_output_tokens: as the client said, None when it did not. web_searches: how
    many the provider may make. answers: to how many the limit of output applies. lease: of the process that waits for the
    answer; empty for the one that keeps the books. trial: nothing is to be set aside, only said what would be.
    """

    response_id: str
    surface: str
    model: str
    targets: list[Target]
    input_tokens: int
    max_output_tokens: int | None = None
    web_searches: int = 0
    answers: int = 1
    lease: str = ""
    trial: bool = False


class Hold(msgspec.Struct, frozen=True):
    """Money set aside for a call. amount: nano-dollars.

    max_output_tokens: what the credit pays for at most, when the call must therefore be sent with it; None: no such limit.
    unpriced: ids of targets that must not be asked, because nobody can say what they cost.
    """

    response_id: str
    amount: int = 0
    max_output_tokens: int | None = None
    unpriced: list[str] = []


OutcomeStatus = Literal["completed", "failed", "cancelled"]


class Outcome(msgspec.Struct, frozen=True):
    """How a call that a provider began to answer ended. Times are milliseconds, `began_at` Unix seconds.

    usage: what the provider counted; where `estimated`, what we reckon it generated before the client left; None when there
    is nothing to go by, and so nothing to charge. cancelled: the client left. byok: the caller's own credential paid for it.
    """

    response_id: str
    surface: str
    model: str
    target: Target
    usage: Usage | None
    estimated: bool
    status: OutcomeStatus
    streamed: bool
    attempts: int
    began_at: float
    first_content_ms: float | None
    total_ms: float
    byok: bool = False


class Meter(Protocol):
    """Keeps the books: money is held before a provider is asked, and settled once when the answer has ended."""

    async def hold(self, order: Order, caller: Caller) -> Hold:
        """Sets aside the worst case. Raises `InsufficientCredits`, naming what would be exceeded."""
        ...

    async def settle(self, outcome: Outcome, caller: Caller) -> Cost | None:
        """Posts what was used, gives the rest back, and prices it. None: the target has no price, or nothing was counted.

        Idempotent per `response_id`.
        """
        ...

    async def void(self, response_id: str, caller: Caller) -> None:
        """Gives back what was held for a call that no provider answered. Idempotent."""
        ...


class KeyRing(Protocol):
    """Knows the API keys."""

    async def verify(
        self, authorization: str | None, x_api_key: str | None, *, scope: str | None = INFERENCE
    ) -> Caller:
        """The owner of the key in either header (Bearer wins). `scope`: what the key must be for; None: anything.

        Raises `InvalidKey`, `PermissionDenied` when it is not for that, `Overloaded` when nobody can be asked.
        """
        ...


class LimitsBook(Protocol):
    """Knows who may use how much."""

    def limits_of(self, caller: Caller) -> Sequence[ScopeLimits]:
        """The limits of each scope the caller is in. A scope without any may be left out; the key then has the default tier.

        Asked for each request, so from memory: what was read when the key was verified.
        """
        ...


class Admission(Protocol):
    """A request that was let in, from then until it is over."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """For the answer: how much is left, in what is nearest to its end. `x-ratelimit-*`; on `messages` also Anthropic's."""
        ...

    def settle(self, usage: Usage | None, model: str | None = None) -> None:
        """The request is over: what was reserved becomes what was used, and its place is free. Only the first call counts.

        usage: None when no provider has counted anything; then no tokens count. model: the slug that served, which with
        `auto` is known only now. Does not wait and does not fail.
        """
        ...

    def exempt(self) -> None:
        """The request does not count: the caller's own provider credential serves it. Otherwise as `settle`."""
        ...


class Limiter(Protocol):
    """Lets requests in, as fast as the caller's limits allow."""

    async def admit(self, call: Call, caller: Caller, *, input_tokens: int, surface: str = "") -> Admission:
        """Reserves what the call is expected to use. `input_tokens`: an estimate. surface: whose headers are wanted.

        Raises `RateLimited`, with its headers, or `Overloaded`: what replicas share does not answer, and the limits say
        that nothing is let in then.
        """
        ...

    async def standing(self, caller: Caller, *, surface: str = "") -> Sequence[tuple[str, str]]:
        """The headers of an answer to a request that does not count, because it could not be read. Raises `Overloaded`."""
        ...
