"""What a long chat conversation costs to translate: CPU time from the client's bytes to the provider's, and of streamed chunks.

    python -m bench.chat_translation [--assert]

The conversation: 300 items and 800 kB as a coding agent has them: calls in parallel, long results, proofs of reasoning. Written
for each wire format, and on the native lane. `--assert` fails over 15 ms, 3 ms on the native lane.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from services.adapters import carry
from services.adapters.registry import dialect
from services.catalog.catalog import dialect_of
from services.catalog.reading import read
from services.catalog.schema import Facts, Target
from services.chat import intake
from services.chat.native import NativeWriter
from services.chat.projection import Projection
from services.chat.writing import Answered, ProjectedWriter
from services.routing.needs import Needs
from services.vocabulary.event import Event, Opened, TextDelta
from services.vocabulary.routing import RouteTaken
from services.vocabulary.seal import seal

BYTES: Final = 800_000
TURNS: Final = 50  # of six items each
ROUNDS: Final = 21
CHUNKS: Final = 1000
LIMIT_MS: Final = 15.0
NATIVE_LIMIT_MS: Final = 3.0

MODELS: Final = (
    "openai/gpt-5.5",
    "anthropic/claude-opus-4-8",
    "vertex/gemini-3-pro-preview",
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere/command-a-reasoning-08-2025",
    "mistral/magistral-medium-latest",
    "huggingface/openai/gpt-oss-120b",
)

Json = dict[str, Any]


def _tool(name: str) -> Json:
    schema = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "line": {"type": "integer"}},
        "required": ["path"],
    }
    return {"type": "function", "function": {"name": name, "description": f"Does {name}. " * 20, "parameters": schema}}


def body(*, reasoning: bool) -> bytes:
    """The request. `reasoning`: with proofs of earlier reasoning, of Anthropic."""
    filler = 'def f(x: int) -> str:\n    return "line\\t" + str(x)  # a comment of the usual length\n'
    size = BYTES // (TURNS * 2)
    messages: list[Json] = [{"role": "system", "content": "You are an agent. " * 100}]
    for turn in range(TURNS):
        paths = [json.dumps({"path": f"{turn}/{number}"}) for number in range(2)]
        calls = [
            {"id": f"call{turn:04d}{n}", "type": "function", "function": {"name": "read", "arguments": path}}
            for n, path in enumerate(paths)
        ]
        said: Json = {"role": "assistant", "content": f"Reading two files, turn {turn}.", "tool_calls": calls}
        if reasoning:
            proof = seal("c2lnbmF0dXJl" * 40, "anthropic", "scope", "thinking")
            item = {"id": f"rs_{'0' * 36}_0_0"}
            said["reasoning_details"] = [
                {"type": "reasoning.text", **item, "index": 0, "text": "I should read both. " * 10},
                {"type": "reasoning.encrypted", **item, "index": 1, "data": proof},
            ]
        messages += [{"role": "user", "content": f"Go on with part {turn}."}, said]
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": (filler * (size // len(filler) + 1))[:size]}
            for call in calls
        ]
    messages.append({"role": "user", "content": "And now?"})
    asked = {"model": "m", "messages": messages, "tools": [_tool(f"tool_{n}") for n in range(25)], "stream": True}
    return json.dumps(asked).encode()


def target(model: str) -> Target:
    """What a configured, unlisted model is asked as."""
    provider, _, upstream = model.partition("/")
    row = next(row for row in read().providers if row.id == provider)
    return Target(row, dialect_of(row, upstream), upstream, upstream, Facts())


def translate(data: bytes, aim: Target, *, native: bool) -> bytes:
    """The provider's bytes, by the way every call goes."""
    call = intake.read(data).call
    Needs(call).input_tokens  # noqa: B018  # limits and holds ask for it
    call, _ = carry.prepare(call, aim, aim.dialect, "scope")
    assert (call.native is not None) is native
    return dialect(aim.dialect).request(call, aim).body


def milliseconds(work: Callable[[], object]) -> float:
    """The median CPU time of a round."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - start) / 1e6)
    return statistics.median(times)


def _chunk(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    made = {
        "id": "chatcmpl-x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": None,
    }
    return b"data: %b\n\n" % json.dumps(made, separators=(",", ":")).encode()


def streams() -> dict[str, float]:
    """Microseconds of a chunk: read from the provider's bytes in pieces of 20, and written for the client."""
    call = intake.read(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}').call
    aim = target("huggingface/x")
    answered = Answered(
        "chatcmpl-" + "0" * 36, 1, "huggingface/x", RouteTaken("m", "huggingface/x", 1, "asked for"), []
    )
    pieces = [b"".join(_chunk(f"word{n} ") for n in range(at, at + 20)) for at in range(0, CHUNKS, 20)]

    def native() -> None:
        format = dialect("openai_chat")
        framer, decoder = format.framing(call)(), format.decoder(call, aim)
        writing = NativeWriter(answered, include_usage=False)
        for piece in pieces:
            writing.feed([event for frame in framer.feed(piece) for event in decoder.feed(frame)])

    def projected() -> None:
        writing = ProjectedWriter(answered, Projection(Opened("p", "s"), "0" * 36), include_usage=False)
        for at in range(0, CHUNKS, 20):
            batch: list[Event] = [TextDelta(f"word{n} ") for n in range(at, at + 20)]
            writing.feed(batch)

    return {"native lane": milliseconds(native) * 1000 / CHUNKS, "projection": milliseconds(projected) * 1000 / CHUNKS}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assert", dest="strict", action="store_true", help="fail over the limits")
    strict = parser.parse_args().strict
    over = []
    for reasoning in (False, True):
        data = body(reasoning=reasoning)
        print(f"{len(data) / 1000:.0f} kB, {TURNS * 6} items{', with reasoning' if reasoning else ''}: ms of CPU")
        for model in MODELS:
            aim = target(model)
            native = aim.dialect == "openai_chat" and not model.startswith("mistral/")
            spent = milliseconds(lambda aim=aim, native=native, data=data: translate(data, aim, native=native))  # type: ignore[misc]
            limit = NATIVE_LIMIT_MS if native else LIMIT_MS
            over += [model] if spent > limit else []
            print(f"  {model:60} {spent:6.2f}{'  native lane' if native else ''}")
    for name, spent in streams().items():
        print(f"a streamed chunk, {name}: {spent:.2f} us of CPU")
    if strict and over:
        sys.exit(f"over the limit: {', '.join(over)}")


if __name__ == "__main__":
    main()
