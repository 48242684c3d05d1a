"""What a dialect is: one wire format, written and read. Pure: no sockets, clock, randomness or settings.

A dialect lives in `dialects/<name>/`: `request.py` (Call -> HttpRequest), `stream.py` (frames -> Events), `answer.py`
(whole body -> Events) and `errors.py`; `__init__.py` holds the class that names them. Variants of a provider are data
(`Provider.quirks`) or a subclass that overrides one method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call
from services.vocabulary.event import Event, Loss
from services.wire.frame import Frame, Framing


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to send. `path` is appended to the provider's base URL; `body` is the final bytes (signatures cover them).

    losses: what of the call this format could not carry as asked.
    """

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    losses: Sequence[Loss] = ()


class Decoder(Protocol):
    """Reads one streamed answer. One per call, never shared. State only; feed it frames in order."""

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one frame. Raises `UpstreamError` for an error frame and for what the format does not allow."""
        ...

    def close(self) -> Sequence[Event]:
        """What is left when the bytes end. Raises `UpstreamError(TRUNCATED)` unless the answer was complete."""
        ...


class Dialect(Protocol):
    """One wire format."""

    name: str

    def request(self, call: Call, target: Target) -> HttpRequest:
        """Writes the call. Raises `InvalidRequest` (with `param`) for what the format cannot carry and must not lose."""
        ...

    def framing(self, call: Call) -> Framing:
        """How a streamed answer is cut into frames."""
        ...

    def decoder(self, call: Call, target: Target) -> Decoder:
        """A new decoder for a streamed answer."""
        ...

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Events of a whole (not streamed) answer: the same as its stream would have given, in bigger pieces."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> "UpstreamError":
        """Reads an HTTP error (status >= 400). Never raises: an unreadable body is an error of that status too."""
        ...


class Kind(Enum):
    """Whose fault an upstream error is, and so whether another provider may be tried."""

    CALLER = "caller"  # the request is wrong for every provider: 400 with the provider's words
    CREDENTIAL = "credential"  # our key for the provider is wrong, or may not use the model
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"  # 5xx, overloaded, connection refused or reset
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"  # the answer ended early
    PROTOCOL = "protocol"  # the answer is not in the provider's format
    FAILED = "failed"  # the provider says, in its own words, that this generation failed


class UrlNotTaken(InvalidRequest):
    """The provider fetches no URLs of this kind: it has to be sent the bytes."""


class UpstreamError(Exception):
    """What went wrong at the provider. `message`: the provider's words, for people; secrets are removed by the adapter.

    retry_after: seconds the provider asks to wait; advised: with this request, others may do (`google.rpc.RetryInfo`).
    status: its HTTP status, where there was one.
    param: the caller's parameter it complains about, where it says so. code: its own error code or type.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        advised: bool = False,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.advised = advised
        self.param = param
        self.code = code
