"""How far estimates are from what providers counted, on the recorded traffic: `python -m tests.tokens`.

Left out: prompts of which part was elsewhere (stored responses, documents by URL, what a search found) and images, whose
price has nothing to do with their bytes.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from services.adapters import carry
from services.adapters.dialect import UpstreamError
from services.adapters.registry import dialect as dialect_named
from services.errors import GatewayError
from services.responses import intake
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call
from services.vocabulary.event import UsageReported
from services.wire.frame import FramingError
from tests.shared_replay import _body, _events, recordings, target_of

_ELSEWHERE = {"pdf", "document", "citations", "image", "web_search", "code_execution"}


def counted(recording: dict[str, Any]) -> tuple[float, int] | None:
    """Estimate / real, and the real number of tokens."""
    from replay import convert

    body = convert.convert(recording).body
    sent = recording["request"].get("body") or {}
    if body is None or _ELSEWHERE & set(recording["features"]) or "previous_response_id" in sent:
        return None
    target = target_of(recording, body["model"].partition("/")[2])
    dialect = dialect_named(target.dialect)
    try:
        call: Call = intake.read(json.dumps(body).encode())
        call, _ = carry.prepare(call, target, dialect.name, "scope")
        events = _events(dialect, call, target, _body(recording["response"]), 0)
    except (GatewayError, UpstreamError, FramingError):
        return None
    real = next((event.usage.input_total for event in events if isinstance(event, UsageReported)), 0)
    return (prompt_tokens(call, target.upstream) / real, real) if real else None


def row(name: str, found: list[float]) -> str:
    """One line of percentiles."""
    found = sorted(found)
    marks = [found[min(len(found) - 1, len(found) * part // 100)] for part in (5, 25, 50, 75, 95)]
    above = sum(ratio >= 1 for ratio in found) / len(found)
    return f"{name:34} {len(found):4}  " + "  ".join(f"{mark:5.2f}" for mark in marks) + f"   {above:4.0%}\n"


def lines() -> Iterator[str]:
    """The table: estimate divided by what the provider counted."""
    yield f"{'estimate / counted':34} {'n':>4}  {'5%':>5}  {'25%':>5}  {'50%':>5}  {'75%':>5}  {'95%':>5}   >= 1\n"
    found = [(each["api"], *ratio) for each in recordings() if (ratio := counted(each)) is not None]
    yield row("all", [ratio for _, ratio, _ in found])
    yield row("of 200 tokens and more", [ratio for _, ratio, real in found if real >= 200])
    yield row("of 1000 tokens and more", [ratio for _, ratio, real in found if real >= 1000])
    for api in sorted({api for api, _, _ in found}):
        yield row(api, [ratio for name, ratio, _ in found if name == api])


if __name__ == "__main__":
    sys.stdout.writelines(lines())
