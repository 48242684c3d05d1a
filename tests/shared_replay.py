"""Recordings of real providers through intake, dialect and projection, judged by the replay checker; no servers.

    python -m tests.shared_replay [--api anthropic.messages] [--id PART] [--chunk N] [--foreign] [-v]

`--foreign` takes the native lane away, as for a call from another surface.

`problems(recording, chunk)` gives the differences for one recording, or a `Skip` with the reason.
"""

import argparse
import base64
import json
import sys
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
AVAILABLE = (SHARED / "replay").is_dir()
if AVAILABLE and str(SHARED) not in sys.path:
    sys.path.append(str(SHARED))

from services.adapters import carry
from services.adapters.dialect import UpstreamError
from services.adapters.registry import dialect as dialect_named
from services.catalog.reading import read
from services.catalog.schema import Provider, Target
from services.errors import GatewayError
from services.responses import intake
from services.responses.native import NativeLane
from services.responses.projection import Projection
from services.vocabulary.event import Event, NativeAnswer, NativeEvent, Opened

_DIALECTS = {
    "messages": "anthropic_messages",
    "raw_predict": "anthropic_vertex",
    "invoke_anthropic": "anthropic_bedrock",
    "invoke_anthropic_stream": "anthropic_bedrock",
    "chat": "openai_chat",
    "responses": "openai_responses",
    "converse": "bedrock_converse",
    "converse_stream": "bedrock_converse",
    "gemini.generate": "gemini",
    "gemini.stream": "gemini",
    "v2chat": "cohere_chat",
}
_ROWS = {row.id: row for row in read().providers}


class Skip(Exception):
    """The recording says nothing about us."""


def recordings(api: str = "", part: str = "") -> Iterator[dict[str, Any]]:
    """All recordings, or those of one API or with a part of an id."""
    from replay import wire

    for recording in wire.load([SHARED / "recordings"]):
        if recording["api"].startswith(api) and part in recording["id"]:
            yield recording


def target_of(recording: dict[str, Any], upstream: str) -> Target:
    """The target a configured, unlisted model would get."""
    from replay import wire

    slug = wire.gateway_provider(recording)
    dialect = _DIALECTS[wire.kind_of(recording["api"])]
    row = _ROWS.get(slug) or Provider(id=slug, name=slug, dialect=dialect, base_url="http://upstream")
    return Target(provider=row, dialect=dialect, model=upstream, upstream=upstream, listed=False)


def problems(recording: dict[str, Any], chunk: int = 0, *, native: bool = True) -> list[str]:
    """What differs: in the request we would send, or in the answer we would give."""
    from replay import check, convert, facts, wire

    conversion = convert.convert(recording)
    if conversion.body is None:
        raise Skip(conversion.reason)
    want = facts.facts(recording)
    if want.error is None and want.finish is None:
        raise Skip("the recorded answer has no end")
    body = conversion.body
    upstream = body["model"].partition("/")[2]
    target = target_of(recording, upstream)
    dialect = dialect_named(target.dialect)
    call = intake.read(json.dumps(body).encode())
    if not native:
        call = msgspec.structs.replace(call, native=None)
    call, losses = carry.prepare(call, target, dialect.name, "scope")
    request = dialect.request(call, target)
    seen = {
        "kind": wire.kind_of_path(urllib.parse.urlsplit(request.path).path),
        "path": request.path,
        "body": json.loads(request.body),
        "headers": {"authorization": "Bearer x"},
        "query": dict(request.query),
    }
    diffs = []
    if seen["kind"] != wire.kind_of(recording["api"]):
        diffs.append(f"path {request.path} is {seen['kind']}")
        return diffs
    diffs += check.compare_sent(recording, seen, "")[0]
    response = recording["response"]
    raw = _body(response)
    if want.error is not None and want.error.status >= 400:
        error = dialect.error(response["status"], response["headers"], raw)
        return diffs if error.message else [*diffs, "error without a message"]
    opened = Opened(target.provider.id, "scope", [*losses, *request.losses])
    try:
        events = _events(dialect, call, target, raw, chunk)
    except UpstreamError as error:
        return diffs if want.finish == "error" else [*diffs, f"{error.kind}: {error.message}"]
    return diffs + _compare(want, recording, call, target, opened, events)


def _body(response: dict[str, Any]) -> bytes:
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    if "body" in response:
        return json.dumps(response["body"]).encode()
    return (response.get("sse") or response.get("text") or "").encode()


def _events(dialect: Any, call: Any, target: Target, raw: bytes, chunk: int) -> list[Event]:
    if not call.stream:
        return list(dialect.answer(raw, call, target))
    framer, decoder = dialect.framing(call)(), dialect.decoder(call, target)
    events: list[Event] = []
    size = chunk or len(raw) or 1
    for start in range(0, len(raw), size):
        for frame in framer.feed(raw[start : start + size]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return [*events, *decoder.close()]


def _compare(want: Any, recording: Any, call: Any, target: Target, opened: Opened, events: list[Event]) -> list[str]:
    from replay import check

    diffs: list[str] = []
    if any(isinstance(event, NativeAnswer | NativeEvent) for event in events):
        return _compare_native(want, recording, call, target, opened, events)
    projection = Projection(call, target.id, opened, "resp_0", 1)
    public = [*projection.start(), *projection.feed(events)]
    if projection.finished is None:
        return ["the answer never finished"]
    public.append(projection.complete(None, 2))
    text = "".join(f"event: x\ndata: {msgspec.json.encode(e).decode()}\n\n" for e in public).replace("event: x\n", "")
    if call.stream:
        found, _ = check.check_stream(text)
        diffs += found
    response = json.loads(msgspec.json.encode(projection.response))
    return diffs + check.compare_answer(want, response)


def _compare_native(want: Any, recording: Any, call: Any, target: Target, opened: Opened, events: Any) -> list[str]:
    from replay import check

    if not call.stream:
        answer = next(e for e in events if isinstance(e, NativeAnswer))
        body = NativeLane(call, target.id, opened, "resp_0").body(answer.body, None)
        return check.compare_answer(want, json.loads(body))
    lane = NativeLane(call, target.id, opened, "resp_0")
    text = b"".join(lane.frame(e, None) for e in events if isinstance(e, NativeEvent)).decode()
    before = check.check_stream(recording["response"].get("sse", ""))[0]
    found, response = check.check_stream(text)
    return [p for p in found if p not in before] + check.compare_answer(want, response or {})


def main() -> int:
    """Runs what the arguments choose; exit status 1 when anything differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--api", default="")
    parser.add_argument("--id", default="")
    parser.add_argument("--chunk", type=int, default=0)
    parser.add_argument("--foreign", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    for recording in recordings(options.api, options.id):
        name = f"{recording['provider']} {recording['api']}"
        try:
            diffs = problems(recording, options.chunk, native=not options.foreign)
        except Skip as skip:
            counts[name, "skipped"] += 1
            if options.verbose:
                print(f"skip {recording['id']}: {skip}")
            continue
        except KeyError as missing:
            counts[name, f"no dialect {missing}"] += 1
            continue
        except (GatewayError, UpstreamError) as error:
            diffs = [f"{type(error).__name__}: {error} ({getattr(error, 'param', None)})"]
        counts[name, "failed" if diffs else "passed"] += 1
        if diffs:
            print(f"FAIL {recording['id']}: " + "; ".join(diffs[: None if options.verbose else 3]))
    for (name, verdict), count in sorted(counts.items()):
        print(f"{name:36} {verdict:24} {count}")
    return 1 if any(verdict == "failed" for _, verdict in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
