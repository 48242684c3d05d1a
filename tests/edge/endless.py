"""A provider that comes to no end, for clients that leave before it does."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select

BEAT_S = 0.05
CHOICE = {"index": 0, "delta": {"role": "assistant", "content": "word "}, "finish_reason": None}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [CHOICE]}
EVENT = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"


class Endless:
    """Speaks chat completions: a word at every beat; a call that is not streamed is never answered.

    `asked` and `left`: that somebody has come, and gone, since `again`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = threading.Event()
        self.left = threading.Event()

    def again(self) -> None:
        self.asked.clear()
        self.left.clear()


@contextlib.contextmanager
def endless() -> Iterator[Endless]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stream = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
            made.asked.set()
            if stream:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
            with contextlib.suppress(ConnectionError):
                while not select([self.connection], [], [], BEAT_S)[
                    0
                ]:  # nothing more is said on it but that it is closed
                    self.wfile.write(EVENT if stream else b"")
            made.left.set()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Endless(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
