"""What the Messages surface costs before a provider is asked: reading and writing an 800 kB agent conversation of 300 items.

    python -m bench.messages_translation [--assert]

CPU time, the best of many rounds, in milliseconds: `read` (body to call), `write` (call to the provider's body), both together,
for one model of every wire format. The native lane is held to 3 ms, every other to 15 ms.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from services.adapters import carry
from services.adapters.registry import DIALECTS
from services.catalog.catalog import load
from services.catalog.schema import Target
from services.messages.intake import read
from services.vocabulary.seal import seal

BYTES: Final = 800_000
ITEMS: Final = 300
ROUNDS: Final = 40
SCOPE: Final = "0a1b2c3d"
_TOOLS_BYTES: Final = 45_000
_AROUND_BYTES: Final = 290  # per text: signature, keys, escapes
NATIVE_MS: Final = 3.0
FOREIGN_MS: Final = 15.0

MODELS: Final = (
    "anthropic/claude-opus-4-8",
    "vertex/claude-sonnet-4-5",
    "bedrock/claude-sonnet-4-5",
    "openai/gpt-5.5",
    "gemini/gemini-3-pro-preview",
    "bedrock/amazon.nova-pro-v1:0",
    "mistral/mistral-large-latest",
    "cohere/command-a-03-2025",
    "xai/grok-4",
)
_PROSE: Final = 'The quick brown fox "jumps" over\n the lazy dog — again. '

Json = dict[str, Any]


def conversation(target: Target) -> bytes:
    """The body: thought (of that target), text and a call by the assistant, then its result, over and over."""
    turns = ITEMS // 4
    size = (BYTES - _TOOLS_BYTES) // (turns * 5) - _AROUND_BYTES
    text = (_PROSE * (size // len(_PROSE) + 1))[:size]
    signature = seal("A" * 600, target.provider.id, f"{SCOPE}-{target.dialect}", "thinking")
    messages: list[Json] = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    for number in range(turns):
        use = {"type": "tool_use", "id": f"toolu_{number:010d}", "name": "Bash", "input": {"command": text}}
        thought = {"type": "thinking", "thinking": text, "signature": signature}
        messages.append({"role": "assistant", "content": [thought, {"type": "text", "text": text}, use]})
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": text + text, "is_error": False}
        messages.append({"role": "user", "content": [result]})
    properties = {f"p{n}": {"type": "string", "description": _PROSE} for n in range(10)}
    schema = {"type": "object", "properties": properties}
    tools = [{"name": f"tool{n}", "description": _PROSE * 10, "input_schema": schema} for n in range(25)]
    body = {"max_tokens": 4000, "system": _PROSE, "messages": messages, "tools": tools, "stream": True}
    return json.dumps({"model": "m", **body}, separators=(",", ":"), ensure_ascii=False).encode()


def best_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of the fastest round."""
    found = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found = min(found, time.process_time() - began)
    return found * 1000


def measured(target: Target) -> tuple[bool, int, float, float]:
    """Whether the body travels as it is, its size, and what reading and writing it cost."""
    body = conversation(target)
    reading = read(body, {})
    dialect = DIALECTS[target.dialect]

    def write() -> None:
        call, _ = carry.prepare(reading.call, target, dialect.name, f"{SCOPE}-{dialect.name}")
        dialect.request(call, target)

    return carry.is_native(reading.call, target.dialect), len(body), best_ms(lambda: read(body, {})), best_ms(write)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 where a model costs more than it may and `--assert` is given."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--assert", action="store_true", dest="held")
    held, catalog, over = options.parse_args(arguments).held, load(), False
    hello = read(b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}]}', {}).call
    for model in MODELS:
        target = carry.own_lane(hello, catalog.resolve(model, unlisted=True)[0])
        native, size, reading, writing = measured(target)
        most = NATIVE_MS if native else FOREIGN_MS
        over = over or reading + writing > most
        lane = "native" if native else "translated"
        line = f"{model:32} {lane:10} {size} bytes: read {reading:5.2f}, write {writing:5.2f}"
        sys.stdout.write(f"{line}, together {reading + writing:5.2f} ms (at most {most:g})\n")
    return int(over and held)


if __name__ == "__main__":
    sys.exit(main())
