"""A fake of a provider that speaks chat completions, on a port of its own: answers what it is told, keeps what it was sent."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One HTTP answer."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True)
class Seen:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Fake:
    """`models`: what its list says. `reply`: given instead of an answer, until it is None again. `owned_by`: of its models."""

    def __init__(self, *models: str, owned_by: str | None = None) -> None:
        self.models = list(models)
        self.owned_by = owned_by
        self.reply: Reply | None = None
        self.server_header: str | None = None
        self.seen: list[Seen] = []
        self.url = ""
        self.port = 0

    def answer(self, seen: Seen) -> Reply:
        """Says hello in two pieces, for a price of seven and two tokens."""
        self.seen.append(seen)
        if self.reply is not None:
            return self.reply
        if seen.path.endswith("/models"):
            owner = {} if self.owned_by is None else {"owned_by": self.owned_by}
            data = [{"id": id, "object": "model", **owner} for id in self.models]
            return Reply(json.dumps({"object": "list", "data": data}).encode())
        asked = seen.json
        usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        if not asked.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}
            return Reply(json.dumps(_chunk(asked, choice, usage)).encode())
        pieces = [{"role": "assistant", "content": "Hello"}, {"content": " there"}]
        chunks = [_chunk(asked, {"index": 0, "delta": piece, "finish_reason": None}) for piece in pieces]
        chunks.append(_chunk(asked, {"index": 0, "delta": {}, "finish_reason": "stop"}, usage))
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        return Reply("".join([*lines, "data: [DONE]\n\n"]).encode(), headers={"content-type": "text/event-stream"})


def _chunk(asked: Any, choice: Any, usage: Any = None) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 1, "model": asked["model"], "choices": [choice], "usage": usage}


@contextlib.contextmanager
def serve(fake: Fake, port: int = 0) -> Iterator[Fake]:
    """Serves the fake on 127.0.0.1 and tells it where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = fake.answer(Seen(self.command, self.path, headers, body))
            self.send_response(reply.status)
            given = {**reply.headers, "content-length": str(len(reply.body)), "connection": "close"}
            for name, value in given.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who asked may have heard enough
                self.wfile.write(reply.body)

        do_GET = do_POST  # noqa: N815

        def version_string(self) -> str:
            return fake.server_header or "fake"

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        fake.port = server.server_address[1]
        fake.url = f"http://127.0.0.1:{fake.port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
