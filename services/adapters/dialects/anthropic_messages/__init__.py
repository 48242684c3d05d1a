"""Anthropic's Messages API, spoken by Anthropic, by Azure, and by other makers' servers.

https://platform.claude.com/docs/en/api/messages. The base URL does not include `/v1`. Quirks of a provider row:

* `messages_path`: the path, where it is not `/v1/messages`.
* `anthropic_version`: the API version, where it is not 2023-06-01. The newest one, 2026-10-21, takes no sampling
  parameters, for any model; that is why it is not the default.
* `betas`: the beta features it takes from clients of this very format (betas.py).

Where the client's body is in this format it travels verbatim (edits.py, and back: verbatim.py), with the client's own version;
any other call is written from the `Call` (request.py) and read into events (stream.py).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import msgspec

from services.adapters.carry import is_native
from services.adapters.dialect import Decoder, HttpRequest, UpstreamError
from services.adapters.dialects.anthropic_messages import answer
from services.adapters.dialects.anthropic_messages.carrier import ANTHROPIC, Carrier
from services.adapters.dialects.anthropic_messages.edits import native
from services.adapters.dialects.anthropic_messages.errors import http_error
from services.adapters.dialects.anthropic_messages.plan import plan
from services.adapters.dialects.anthropic_messages.request import write
from services.adapters.dialects.anthropic_messages.stream import MessagesDecoder
from services.adapters.dialects.anthropic_messages.verbatim import VerbatimDecoder, VerbatimFramer, verbatim_answer
from services.catalog.schema import Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event
from services.wire.frame import Framing
from services.wire.sse import SseFramer

API_VERSION: Final = "2023-06-01"
VERSIONS: Final = frozenset({"2023-06-01", "2026-10-21"})


class AnthropicMessages:
    """The format as Anthropic itself serves it. Carriers override where the model, version and beta names go."""

    name = "anthropic_messages"
    carrier: ClassVar[Carrier] = ANTHROPIC

    def request(self, call: Call, target: Target) -> HttpRequest:
        """Writes the call."""
        write_it = native if is_native(call, self.name) else write
        written = write_it(call, target, self.carrier)
        headers = {"content-type": "application/json", "accept": self.accepts(call)}
        if self.carrier.version is None:
            headers["anthropic-version"] = _version(call, target)
        if written.betas and self.carrier.betas == "header":
            headers["anthropic-beta"] = ",".join(written.betas)
        return HttpRequest(
            path=self.path(call, target), body=_joined(written.body), headers=headers, losses=written.losses
        )

    def path(self, call: Call, target: Target) -> str:  # noqa: ARG002  # carriers put the model and the verb here
        """Where to send it."""
        return str(target.quirks.get("messages_path") or "/v1/messages")

    def accepts(self, call: Call) -> str:
        """The media type of the answer."""
        return "text/event-stream" if call.stream else "application/json"

    def framing(self, call: Call) -> Framing:
        """Server-sent events."""
        return VerbatimFramer if is_native(call, self.name) else SseFramer

    def decoder(self, call: Call, target: Target) -> Decoder:
        """A decoder for a streamed answer."""
        return VerbatimDecoder() if is_native(call, self.name) else MessagesDecoder(plan(call, target))

    def answer(self, body: bytes, call: Call, target: Target) -> Sequence[Event]:
        """Events of a whole answer."""
        return verbatim_answer(body) if is_native(call, self.name) else answer.read(body, plan(call, target))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Reads an HTTP error."""
        return http_error(status, headers, body)


def _joined(fields: Mapping[str, object]) -> bytes:
    """The body. Put together once: an encoder would copy the client's messages several times while it makes room."""
    pieces: list[bytes | msgspec.Raw] = []
    for name, value in fields.items():
        pieces += (b"," if pieces else b"{", msgspec.json.encode(name), b":")
        pieces.append(value if isinstance(value, msgspec.Raw) else msgspec.json.encode(value))
    return b"".join((*pieces, b"}"))


def _version(call: Call, target: Target) -> str:
    """The version of the API: the client's own where its body travels, unless the row knows better."""
    if (fixed := target.quirks.get("anthropic_version")) is not None:
        return str(fixed)
    asked = call.native.headers.get("anthropic-version", "") if call.native is not None else ""
    return asked if asked in VERSIONS else API_VERSION
