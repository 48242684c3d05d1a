"""What the conformance suite needs of every dialect: a target, frames as its provider writes them, and what they mean.

`tests/fixtures/<dialect>/<case>.json` holds one answer in a provider's own format, streamed and whole: `stream` is a list
of [event name or null, payload]. A case means the same in every dialect (`MEANINGS`), so the fixtures are also a comparison;
`means` says where a format puts something elsewhere.
"""

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from services.adapters import carry
from services.adapters.dialect import Dialect, HttpRequest
from services.adapters.registry import DIALECTS
from services.catalog.reading import read
from services.catalog.schema import Target
from services.responses import intake
from services.vocabulary.call import Call, Message, Reasoning, Seal, Text, ToolCall, ToolResult
from services.vocabulary.event import (
    Event,
    Finished,
    ItemDone,
    Loss,
    NativeEvent,
    ReasoningDelta,
    ReasoningSealed,
    SearchDone,
    SearchStarted,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)

FIXTURES: Final = Path(__file__).resolve().parent.parent / "fixtures"
ROWS: Final = {row.id: row for row in read().providers}

Payload = Any
Frames = list[tuple[str, Payload]]
Writer = Callable[[str, bytes], bytes]


# ---- framing ---------------------------------------------------------------------------------------------------------


def sse(event: str, data: bytes) -> bytes:
    return (f"event: {event}\n".encode() if event else b"") + b"data: " + data + b"\n\n"


def sse_crlf(_event: str, data: bytes) -> bytes:
    return b"data: " + data + b"\r\n\r\n"


def event_stream(event: str, data: bytes) -> bytes:
    headers = {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(block) + len(data), len(block))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    return prelude + block + data + struct.pack("!I", zlib.crc32(prelude + block + data))


def event_stream_chunk(_event: str, data: bytes) -> bytes:
    return event_stream("chunk", json.dumps({"bytes": base64.b64encode(data).decode()}).encode())


def dumped(payload: Payload) -> bytes:
    """A payload as providers write it; a string goes out as it is (`[DONE]`)."""
    return payload.encode() if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False).encode()


# ---- subjects --------------------------------------------------------------------------------------------------------


class Subject(NamedTuple):
    """One dialect under test. fixtures: whose. provider: the row whose quirks apply. native: on the native lane.

    ends: its streams have an end mark; what follows it is not part of the answer.
    """

    id: str
    dialect: Dialect
    fixtures: str
    provider: str
    writer: Writer
    native: bool = False
    ends: bool = True

    def __str__(self) -> str:
        return self.id

    def target(self, model: str) -> Target:
        return Target(
            provider=ROWS[self.provider], dialect=self.dialect.name, model=model, upstream=model, listed=False
        )


class Meaning(NamedTuple):
    """What an answer says, whoever gave it."""

    text: str
    reasoning: str
    calls: list[tuple[str, Any]]
    finish: str
    input: int
    cache_read: int
    output: int


class Case(NamedTuple):
    """One recorded meaning in one dialect's format."""

    name: str
    subject: Subject
    model: str
    frames: Frames
    answer: Payload
    means: Meaning

    def __str__(self) -> str:
        return f"{self.subject}-{self.name}"

    @property
    def target(self) -> Target:
        return self.subject.target(self.model)

    def call(self, *, stream: bool) -> Call:
        body = {"model": "any", **REQUESTS[self.name], "stream": stream}
        call = intake.read(json.dumps(body).encode())
        return call if self.subject.native else msgspec.structs.replace(call, native=None)

    def stream(self, frames: Frames | None = None) -> bytes:
        given = self.frames if frames is None else frames
        return b"".join(self.subject.writer(event, dumped(payload)) for event, payload in given)

    def decode(self, chunks: Iterable[bytes]) -> list[Event]:
        """Events of a streamed answer that arrives in these pieces."""
        call, dialect = self.call(stream=True), self.subject.dialect
        framer, decoder = dialect.framing(call)(), dialect.decoder(call, self.target)
        events: list[Event] = []
        for chunk in chunks:
            for frame in framer.feed(chunk):
                events += decoder.feed(frame)
        for frame in framer.close():
            events += decoder.feed(frame)
        return without_beginnings(_joined([*events, *decoder.close()]))

    def read(self, answer: Payload | None = None) -> list[Event]:
        """Events of the whole answer."""
        body = dumped(self.answer if answer is None else answer)
        return list(self.subject.dialect.answer(body, self.call(stream=False), self.target))


def without_beginnings(events: list[Event]) -> list[Event]:
    """The events but for what a provider has counted before it is done; it says so to those who may leave before."""
    return [event for event in events if not (isinstance(event, UsageReported) and event.partial)]


def _joined(events: list[Event]) -> list[Event]:
    """Runs of the native lane as one: how many frames share an event is up to how they arrived."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, NativeEvent) and isinstance(last, NativeEvent) and event.name == last.name == "":
            out[-1] = NativeEvent("", last.data + event.data)
        else:
            out.append(event)
    return out


_FRAMING: Final[Mapping[str, Writer]] = {
    "anthropic_bedrock": event_stream_chunk,
    "bedrock_converse": event_stream,
    "gemini": sse_crlf,
}
_FIXTURES_OF: Final[Mapping[str, str]] = {
    "anthropic_vertex": "anthropic_messages",
    "anthropic_bedrock": "anthropic_messages",
}
_PROVIDER_OF: Final[Mapping[str, str]] = {
    "anthropic_messages": "anthropic",
    "anthropic_vertex": "vertex",
    "anthropic_bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "gemini": "gemini",
    "openai_chat": "mistral",
    "openai_responses": "openai",
}


def _subject(name: str, dialect: Dialect) -> Subject:
    fixtures, writer = _FIXTURES_OF.get(name, name), _FRAMING.get(name, sse)
    return Subject(name, dialect, fixtures, _PROVIDER_OF[name], writer, ends=name != "gemini")


SUBJECTS: Final = [_subject(name, dialect) for name, dialect in DIALECTS.items()]
NATIVE: Final = [
    Subject(
        f"{subject.id}, native lane", subject.dialect, subject.fixtures, subject.provider, subject.writer, native=True
    )
    for subject in SUBJECTS
    if subject.dialect.name == intake.FORMAT
]


def cases(subjects: Sequence[Subject]) -> Iterator[Case]:
    for subject in subjects:
        for path in sorted((FIXTURES / subject.fixtures).glob("*.json")):
            given = json.loads(path.read_text())
            frames = [(event or "", payload) for event, payload in given["stream"]]
            means = MEANINGS[path.stem]._replace(**given.get("means", {}))
            yield Case(path.stem, subject, given["model"], frames, given["answer"], means)


# ---- meaning ---------------------------------------------------------------------------------------------------------

WEATHER: Final = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
PING: Final = {"type": "function", "name": "ping", "strict": False}

REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"input": "Hello."},
    "tools": {"input": "What is the weather?", "tools": [WEATHER, PING]},
    "reasoning": {"input": "Think.", "reasoning": {"effort": "low", "summary": "auto"}},
    "length": {"input": "Hello.", "max_output_tokens": 6},
    "filtered": {"input": "Hello."},
}


MEANINGS: Final[Mapping[str, Meaning]] = {
    "text": Meaning("Hi \u2028 Zoë 👋.", "", [], "stop", 10, 4, 6),
    "tools": Meaning("Let me look.", "", [("get_weather", {"city": "Paris"}), ("ping", {})], "tool_calls", 10, 4, 6),
    "reasoning": Meaning("Done.", "Think first.", [], "stop", 10, 4, 6),
    "length": Meaning("Cut of", "", [], "length", 10, 4, 6),
    "filtered": Meaning("No", "", [], "content_filter", 10, 4, 6),
}


def meaning(events: Sequence[Event]) -> Meaning:
    """The events as one statement. A refusal is a filter's: providers tell them apart in their own ways."""
    usage = next(event.usage for event in events if isinstance(event, UsageReported))
    finish = next(event.reason for event in events if isinstance(event, Finished))
    arguments: dict[str, str] = {}
    names: dict[str, str] = {}
    for event in events:
        if isinstance(event, ToolCallStarted):
            names[event.key], arguments[event.key] = event.name, ""
        elif isinstance(event, ToolCallDelta):
            arguments[event.key] += event.arguments
    return Meaning(
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        [(name, json.loads(arguments[key])) for key, name in names.items()],
        "content_filter" if finish == "refusal" else finish,
        usage.input,
        usage.cache_read,
        usage.output,
    )


def folded(events: Sequence[Event]) -> list[Event]:
    """Neighbouring deltas joined, keys numbered, JSON arguments respelt: what a stream and a whole answer have in common."""
    keys: dict[str, str] = {}
    out: list[Event] = []
    for event in events:
        if isinstance(event, ToolCallStarted | ToolCallDelta | ToolCallDone):
            key = keys.setdefault(event.key, f"call {len(keys)}")
            numbered: Event = msgspec.structs.replace(event, key=key)
        else:
            numbered = event
        match numbered, out[-1] if out else None:
            case TextDelta(text=text), TextDelta(text=before):
                out[-1] = TextDelta(before + text)
            case ReasoningDelta(text=text, kind=kind, part=part), ReasoningDelta(
                text=before, kind=same, part=other
            ) if (kind, part) == (same, other):
                out[-1] = ReasoningDelta(before + text, kind, part)
            case ToolCallDelta(key=key, arguments=text), ToolCallDelta(key=same, arguments=before) if key == same:
                out[-1] = ToolCallDelta(key, before + text)
            case _:
                out.append(numbered)
    return [_respelt(event) for event in out]


def _respelt(event: Event) -> Event:
    if not isinstance(event, ToolCallDelta):
        return event
    return ToolCallDelta(event.key, json.dumps(json.loads(event.arguments)))


def check_grammar(events: Sequence[Event], *, counted: bool = True) -> None:
    """The order every answer keeps: calls open and close once, the usage comes once, then the end, then nothing.

    counted: the provider told its counts; a server that counts nothing tells none.
    """
    open_calls: set[str] = set()
    closed: set[str] = set()
    searches: set[str] = set()
    usages = finishes = 0
    for event in events:
        assert not finishes, f"{event} after the end"
        match event:
            case ToolCallStarted(key=key):
                assert key not in open_calls | closed, f"call {key} opens twice"
                open_calls.add(key)
            case ToolCallDelta(key=key):
                assert key in open_calls, f"arguments of call {key}, which is not open"
            case ToolCallDone(key=key):
                assert key in open_calls, f"call {key} closes, but is not open"
                open_calls.remove(key)
                closed.add(key)
            case SearchStarted(key=key):
                assert key not in searches, f"search {key} begins twice"
                searches.add(key)
            case SearchDone(key=key):
                assert key in searches, f"search {key} ends, but did not begin"
            case UsageReported(usage=usage):
                usages += 1
                assert usage.reasoning <= usage.output
                assert min(usage.input, usage.cache_read, usage.cache_write, usage.output) >= 0
            case Finished():
                finishes += 1
                assert usages == 1 or (usages == 0 and not counted), f"{usages} usages before the end"
                assert not open_calls, f"the end comes while calls {open_calls} are open"
    assert finishes == 1, f"{finishes} ends"


# ---- requests --------------------------------------------------------------------------------------------------------

SCOPE: Final = "0123abcd"


def asked(subject: Subject, model: str, call: Call) -> tuple[HttpRequest, list[Loss]]:
    """The request as the adapter would make it, and all that was lost."""
    target = subject.target(model)
    prepared, losses = carry.prepare(call, target, subject.dialect.name, SCOPE)
    request = subject.dialect.request(prepared, target)
    return request, [*losses, *request.losses]


def said(events: Sequence[Event], provider: str) -> list[Message | ToolCall | Reasoning]:
    """The answer as a client sends it back in its next request."""
    items: list[Message | ToolCall | Reasoning] = []
    text: list[str] = []
    thought: list[str] = []
    calls: dict[str, ToolCall] = {}

    def close_text() -> None:
        if text:
            items.append(Message("assistant", [Text("".join(text))]))
            text.clear()

    def close_thought(seal: Seal | None) -> None:
        if thought or seal is not None:
            items.append(Reasoning(summary=["".join(thought)] if thought else [], seal=seal))
            thought.clear()

    for event in events:
        match event:
            case TextDelta(text=more):
                close_thought(None)
                text.append(more)
            case ReasoningDelta(text=more):
                close_text()
                thought.append(more)
            case ReasoningSealed(blob=blob, kind=kind):
                close_text()
                close_thought(Seal(blob, provider, SCOPE, kind) if blob else None)
            case ToolCallStarted(key=key):
                close_text()
                calls[key] = ToolCall(event.call_id or f"call_{key}", event.name, "")
            case ToolCallDelta(key=key, arguments=more):
                calls[key] = msgspec.structs.replace(calls[key], arguments=calls[key].arguments + more)
            case ToolCallDone(key=key):
                items.append(calls[key])
            case ItemDone() | TextBlock():
                pass
    close_thought(None)
    close_text()
    return items


def results(items: Sequence[object]) -> list[ToolResult]:
    """A result for each call among the items."""
    return [ToolResult(item.call_id, [Text(f"result of {item.name}")]) for item in items if isinstance(item, ToolCall)]
