"""What the proofs of `bench/state.py` do, so that the tests do the same in short."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any, Final

import httpx

MODEL: Final = "sandbox/echo"
UNDER_WAY: Final = ("queued", "in_progress")

Event = dict[str, Any]


def events_of(text: str) -> list[Event]:
    """The events in server-sent events."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


async def read_some(client: httpx.AsyncClient, method: str, url: str, count: int, **more: Any) -> list[Event]:
    """The first `count` events of a stream, which is then cut; all of them when there are fewer."""
    found: list[Event] = []
    async with client.stream(method, url, **more) as response:
        if response.status_code != 200:
            raise RuntimeError((await response.aread()).decode())
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                found.append(json.loads(line[6:]))
                if len(found) >= count:
                    break
    return found


async def cut_and_resume(first: httpx.AsyncClient, second: httpx.AsyncClient, rng: random.Random, cut: int) -> int:
    """One stream, cut by its client after `cut` events and continued elsewhere. How many events it has.

    Raises `AssertionError` unless the joined events are those of a client that was not cut.
    """
    words = " ".join(f"w{rng.randrange(10**6)}" for _ in range(rng.randrange(1, 12)))
    pace = f"[[delay {rng.choice((0, 0, 1, 5, 20, 60))}]] [[wait {rng.choice((0, 0, 10, 50))}]]"
    body = {"model": MODEL, "input": f"{words} {pace}", "background": True, "stream": True}
    seen = await read_some(first, "POST", "/v1/responses", cut, json=body)
    url = f"/v1/responses/{seen[0]['response']['id']}"
    uncut = asyncio.create_task(read_some(first, "GET", f"{url}?stream=true", 10**6))
    last = seen[-1]["sequence_number"]
    if seen[-1]["type"] != "response.completed":
        seen += await read_some(second, "GET", f"{url}?stream=true&starting_after={last}", 10**6)
    whole = await uncut
    assert seen == whole, (seen, whole)
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert seen[-1]["type"] == "response.completed"
    text = seen[-1]["response"]["output"][0]["content"][0]["text"]
    assert text.split() == words.split(), text
    return len(seen)


async def cut_many(urls: Sequence[str], headers: dict[str, str], runs: int, *, at_once: int = 8, seed: int = 0) -> int:
    """Runs of `cut_and_resume` at every index, from one replica to another. How many events there were."""
    rng = random.Random(seed)
    gate = asyncio.Semaphore(at_once)
    async with (
        httpx.AsyncClient(base_url=urls[0], headers=headers, timeout=60) as first,
        httpx.AsyncClient(base_url=urls[-1], headers=headers, timeout=60) as second,
    ):

        async def one(cut: int, seed: int) -> int:
            async with gate:
                return await cut_and_resume(first, second, random.Random(seed), cut)

        cuts = [1 + index % 24 for index in range(runs)]
        return sum(await asyncio.gather(*[one(cut, rng.randrange(10**9)) for cut in cuts]))


async def begin_many(client: httpx.AsyncClient, count: int, text: str, model: str = MODEL) -> list[str]:
    """Ids of responses that are made in the background. `{}` in the text stands for their number."""
    bodies = [{"model": model, "input": text.format(number), "background": True} for number in range(count)]
    answers = await asyncio.gather(*[client.post("/v1/responses", json=body) for body in bodies])
    return [answer.json()["id"] for answer in answers]


Ended = tuple[str, str | None]
"""The state of a response that has ended, and the code of its error."""


async def wait_for_all(client: httpx.AsyncClient, ids: Sequence[str], seconds: float) -> dict[str, Ended]:
    """How each has ended. Raises `TimeoutError`."""
    found: dict[str, Ended] = {}
    deadline = time.monotonic() + seconds
    while len(found) < len(ids):
        for response_id in ids:
            if response_id not in found:
                try:
                    answer = await client.get(f"/v1/responses/{response_id}")
                except httpx.TransportError:
                    continue  # the worker that was killed
                if answer.status_code == 200 and answer.json()["status"] not in UNDER_WAY:
                    response = answer.json()
                    found[response_id] = response["status"], (response["error"] or {}).get("code")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(ids) - len(found)} of {len(ids)} have not ended")
        await asyncio.sleep(0.2)
    return found
