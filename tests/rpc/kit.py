"""Servers for tests: our own, with its interceptor, on a unix socket; and doubles of the services behind the surface."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import grpc

from services.catalog.schema import Facts, Provider, Target
from services.errors import GatewayError
from services.ports import Band, Candidate, Explanation, Hold, Order, Outcome, Plan, Score
from services.runtime.server import Server
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Finished, Opened, TextDelta, UsageReported
from services.vocabulary.usage import Usage

ANN = Caller("key_1", "ann")
TARGET = Target(
    Provider(
        "acme", "Acme", "openai_chat", "https://acme.example/v1", quirks={"omit": ["store"], "depth": 2, "x": None}
    ),
    "openai_chat",
    "m1",
    "m1-2026",
    Facts(efforts=[]),
)
USAGE = Usage(input=3, output=2)
COST = Cost(5_000, {"input": 3_000, "output": 2_000}, "2026-11")
ANSWER: Sequence[Sequence[Event]] = [
    [Opened("acme", "0badcafe")],
    [TextDelta("Hel"), TextDelta("lo")],
    [UsageReported(USAGE), Finished("stop")],
]


@contextlib.asynccontextmanager
async def served(folder: Path, *registrations: Callable[[grpc.aio.Server], None]) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that has these services."""
    server = Server(registrations, [])
    address = f"unix:{folder / 'rpc.sock'}"
    await server.start(address)
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel
    await server.stop(0)


EXPLANATION = Explanation(
    [Candidate(TARGET.id, 0.25, "asked for", Score(sort=0.25, quality=3))], "cost", 900, 7, 2, Band(0.5, 3, 4)
)


class FixedRouter:
    """Plans `TARGET`, or fails."""

    def __init__(self, error: GatewayError | None = None) -> None:
        self.error = error
        self.asked: list[tuple[Call, Caller]] = []

    async def plan(self, call: Call, caller: Caller, *, explain: bool = False) -> Plan:
        self.asked.append((call, caller))
        if self.error is not None:
            raise self.error
        return Plan([TARGET], explanation=EXPLANATION if explain else None)


class FixedAdapters:
    """Answers with the same batches, then fails if told to. `closed` says that the caller's leaving was noticed."""

    def __init__(self, batches: Sequence[Sequence[Event]] = ANSWER, error: Exception | None = None) -> None:
        self.batches = batches
        self.error = error
        self.asked: list[tuple[Call, Target]] = []
        self.closed = False

    async def generate(self, call: Call, target: Target) -> AsyncIterator[Sequence[Event]]:
        self.asked.append((call, target))
        try:
            for batch in self.batches:
                yield batch
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


class FixedMeter:
    """Says the same cost for everything that was counted, and remembers what it was told."""

    def __init__(self, cost: Cost | None = COST) -> None:
        self.cost = cost
        self.held: list[tuple[Order, Caller]] = []
        self.settled: list[tuple[Outcome, Caller]] = []
        self.voided: list[str] = []
        self.leases: list[str] = []

    async def hold(self, order: Order, caller: Caller) -> Hold:
        self.held.append((order, caller))
        return Hold(order.response_id, 7, 100)

    async def settle(self, outcome: Outcome, caller: Caller) -> Cost | None:
        self.settled.append((outcome, caller))
        return self.cost if outcome.usage is not None else None

    async def void(self, response_id: str, caller: Caller) -> None:
        self.voided.append(response_id)

    async def renew(self, lease: str) -> float:
        self.leases.append(lease)
        return 30
