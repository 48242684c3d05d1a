"""Many WebSockets at once against a running gateway: turns that continue, and clients that leave in the middle of one.

    python -m bench.sockets http://127.0.0.1:8080 [--sockets 300] [--turns 5]

The key is `$CONCENTRATE_API_KEY`; the model `sandbox/echo`. Prints latencies and every kind of error.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from typing import Any

import aiohttp


class Soak:
    """One run. seconds: of each turn that was answered."""

    def __init__(self, url: str, turns: int) -> None:
        self._url = url
        self._turns = turns
        self.seconds: list[float] = []
        self.errors: Counter[str] = Counter()

    async def client(self, session: aiohttp.ClientSession, number: int) -> None:
        """Asks turn after turn; every third client leaves in the middle of one more."""
        try:
            async with session.ws_connect(f"{self._url}/v1/responses") as socket:
                previous = None
                for turn in range(self._turns):
                    previous = await self._turn(socket, f"client {number} turn {turn}", previous)
                if number % 3 == 0:
                    await _ask(socket, "one two three four five [[delay 200]]", previous)
                    await socket.receive(10)
        except (aiohttp.ClientError, TimeoutError, AssertionError, TypeError) as error:
            self.errors[repr(error)[:100]] += 1

    async def _turn(self, socket: aiohttp.ClientWebSocketResponse, text: str, previous: str | None) -> str:
        began = time.perf_counter()
        await _ask(socket, text, previous)
        while True:
            frame = await socket.receive_json(timeout=60)
            if frame["type"] == "response.completed":
                break
            assert frame["type"] not in ("error", "response.failed"), frame
        response = frame["response"]
        assert response["output"][-1]["content"][0]["text"] == text, "another client's answer"
        self.seconds.append(time.perf_counter() - began)
        return str(response["id"])


async def _ask(socket: aiohttp.ClientWebSocketResponse, text: str, previous: str | None) -> None:
    asked: dict[str, Any] = {"type": "response.create", "model": "sandbox/echo", "input": text, "store": False}
    await socket.send_json(asked | ({"previous_response_id": previous} if previous else {}))


async def run(url: str, sockets: int, turns: int) -> int:
    """Runs all clients at once; the number of errors."""
    soak, began = Soak(url, turns), time.perf_counter()
    headers = {"authorization": f"Bearer {os.environ['CONCENTRATE_API_KEY']}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(soak.client(session, number) for number in range(sockets)))
    taken = sorted(soak.seconds)
    marks = [f"p{part} {taken[len(taken) * part // 100] * 1000:.0f} ms" for part in (50, 90, 99)] if taken else []
    sys.stdout.write(
        f"{sockets} sockets, {len(taken)} turns in {time.perf_counter() - began:.1f} s: {', '.join(marks)}; "
        f"errors: {dict(soak.errors) or 'none'}\n"
    )
    return sum(soak.errors.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.sockets", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--sockets", type=int, default=300)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    sys.exit(1 if asyncio.run(run(options.url.rstrip("/"), options.sockets, options.turns)) else 0)
