"""The services behind the public surface, as interfaces.

Each is a plain object in its own room; `runtime` gives the surface either that object or a gRPC client with the same
methods (`ROUTING_ADDRESS`, `ADAPTERS_ADDRESS`, `BILLING_ADDRESS`), so nobody here can tell the difference.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

import msgspec

from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Loss
from services.vocabulary.usage import Usage

ExclusionReason = Literal["NOT_ALLOWED", "NOT_ZDR", "TOO_EXPENSIVE", "LACKS_FEATURE", "LOSES_PARAMETER", "RESTING"]


class Excluded(msgspec.Struct, frozen=True):
    """A target that cannot or must not serve the call. target: `provider/model`. detail: why, for people."""

    target: str
    reason: ExclusionReason
    detail: str


class Plan(msgspec.Struct, frozen=True):
    """Where a call may go: targets in the order to try them (at least one), and why not elsewhere.

    losses: features given up because no offer has all of them. reason: what decided the order, for people.
    """

    targets: list[Target]
    excluded: list[Excluded] = []
    losses: list[Loss] = []
    reason: str = ""


class Router(Protocol):
    """Chooses providers for a call."""

    async def plan(self, call: Call, caller: Caller) -> Plan:
        """Targets for the call. Raises `ModelNotFound` (with the nearest names) or `InvalidRequest`."""
        ...


class Adapters(Protocol):
    """Talks to providers."""

    def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        """Asks one provider. Yields events in batches, as they arrive; `Opened` comes first.

        Raises a `GatewayError` (ProviderFailed, UpstreamTimeout, InvalidRequest), before or between batches.
        Closing the iterator aborts the upstream request.
        """
        ...


class Meter(Protocol):
    """Knows what an answer costs."""

    async def settle(self, response_id: str, caller: Caller, target: Target, usage: Usage) -> Cost | None:
        """Records what was used and prices it. None: the target has no price. Idempotent per `response_id`."""
        ...


class KeyRing(Protocol):
    """Knows the API keys."""

    async def verify(self, authorization: str | None, x_api_key: str | None) -> Caller:
        """The owner of the key in either header (Bearer wins). Raises `InvalidKey`."""
        ...
