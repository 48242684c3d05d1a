"""What is known of one stretch of time: counts, token sums and three distributions, in a form that merges exactly."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from services.routing.metrics.sketch import Sketch

FORMAT: Final = 1
"""Version of the encoding and of the bins. Stores keep buckets of other versions out."""

GENERATION_SHORTEST_S: Final = 0.1
"""A stream that was over sooner after its first token came in one piece; its speed says nothing."""


class Key(NamedTuple):
    """What is measured apart: a model at a provider, in a region where the provider has several (else empty)."""

    model: str
    provider: str
    region: str = ""


class Row(NamedTuple):
    """A bucket on its way to or from a store. level: index into `LEVELS`; start: seconds since 1970."""

    level: int
    start: int
    key: Key
    bucket: bytes


class Outcome(StrEnum):
    """How an attempt ended. Besides the first two, the kinds of `services.adapters.dialect.Kind`, by the same values."""

    OK = "ok"
    CANCELLED = "cancelled"  # the caller left; the provider may have been fine
    CALLER = "caller"
    CREDENTIAL = "credential"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"
    FAILED = "failed"


NEUTRAL: Final = frozenset({Outcome.CANCELLED, Outcome.CALLER})
"""Endings that say nothing about the provider: they count as requests, but not for or against its uptime."""


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One attempt at a provider. Durations in seconds from when it was asked.

    ttft_s: until the first token; None for an answer that is not streamed, or that had none.
    input_tokens: all prompt tokens, cached ones included.
    """

    outcome: Outcome
    e2e_s: float
    ttft_s: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0


class Bucket(msgspec.Struct, array_like=True):
    """All attempts of one stretch of time. ttft, e2e: seconds; speed: output tokens per second after the first.

    Durations, speed and token sums are those of answered attempts only (a provider that fails at once is not a fast one);
    the time to a first token that came counts however the attempt ended.
    """

    outcomes: dict[Outcome, int] = {}
    input_tokens: int = 0
    output_tokens: int = 0
    ttft: Sketch = msgspec.field(default_factory=Sketch)
    e2e: Sketch = msgspec.field(default_factory=Sketch)
    speed: Sketch = msgspec.field(default_factory=Sketch)

    def add(self, seen: Observation) -> None:
        """Counts one attempt."""
        outcomes, outcome, ttft = self.outcomes, seen.outcome, seen.ttft_s
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if ttft is not None:
            self.ttft.add(ttft)
        if outcome is not Outcome.OK:
            return
        self.e2e.add(seen.e2e_s)
        self.input_tokens += seen.input_tokens
        self.output_tokens += seen.output_tokens
        if ttft is not None and seen.output_tokens > 1 and seen.e2e_s - ttft >= GENERATION_SHORTEST_S:
            self.speed.add((seen.output_tokens - 1) / (seen.e2e_s - ttft))

    def merge(self, other: "Bucket") -> None:
        """Counts all that `other` has counted."""
        add_counts(self.outcomes, other.outcomes)
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.ttft.merge(other.ttft)
        self.e2e.merge(other.e2e)
        self.speed.merge(other.speed)

    def encode(self) -> bytes:
        """The form that is kept."""
        return _encoder.encode(self)


class Stored(msgspec.Struct, array_like=True):
    """A bucket as it is kept, its distributions not yet read."""

    outcomes: dict[Outcome, int]
    input_tokens: int
    output_tokens: int
    ttft: msgspec.Raw
    e2e: msgspec.Raw
    speed: msgspec.Raw


_encoder: Final = msgspec.msgpack.Encoder()
_bucket: Final = msgspec.msgpack.Decoder(Bucket)
_stored: Final = msgspec.msgpack.Decoder(Stored)
_sketch: Final = msgspec.msgpack.Decoder(Sketch)


def stored(encoded: bytes) -> Stored:
    """Reads the counts of a bucket that has been checked."""
    return _stored.decode(encoded)


def check(encoded: bytes) -> None:
    """Raises `msgspec.DecodeError` for what is no bucket."""
    _bucket.decode(encoded)


def sketches(raws: Iterable[msgspec.Raw]) -> Iterator[Sketch]:
    """Reads distributions."""
    return map(_sketch.decode, raws)


def merge_encoded(buckets: Iterable[bytes]) -> bytes:
    """One bucket of one or more. Raises `msgspec.DecodeError` for what is no bucket."""
    whole, *others = map(_bucket.decode, buckets)
    for other in others:
        whole.merge(other)
    return whole.encode()


def add_counts(counts: dict[Outcome, int], more: Mapping[Outcome, int]) -> None:
    """Adds counts by outcome."""
    for outcome, count in more.items():
        counts[outcome] = counts.get(outcome, 0) + count
