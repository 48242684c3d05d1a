"""Ten providers, some of them always in trouble, and clients that must not notice.

    python -m tests.shared.chaos [--seconds 60] [--clients 50] [--workers 1] [--seed 1]

Every spell some of the ten are killed, hang, limit the rate or are slow, never all. Beside that one provider stays dead and one
limits the rate for long, one process is really killed, and each comes back. Judged are: no client sees an error; a dead
provider is asked its probes and no more; `Retry-After` is kept; who recovers is asked again within one probe interval.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from services.routing.breaker import PROBE_INTERVAL_MAX_S, PROBE_INTERVAL_S
from tests.gateway import serving
from tests.shared.fakes import SHARED, environment, fake

UPSTREAM: Final = {
    "openai": "gpt-chaos",
    "anthropic": "claude-chaos",
    "azure": "gpt-chaos",
    "vertex": "gemini-chaos",
    "bedrock": "amazon.nova-chaos-v1:0",
    "xai": "grok-chaos",
    "cohere": "command-chaos",
    "mistral": "chaos",
    "cloudflare": "@cf/chaos/chaos",
    "huggingface": "chaos/chaos",
}
DEAD, THROTTLED, KILLED = "anthropic", "cohere", "mistral"
OTHERS: Final = [name for name in UPSTREAM if name not in (DEAD, THROTTLED, KILLED)]
RETRY_AFTER_S: Final = 3
PATIENCE_S: Final = 15.0
"""Who has no answer by then has been let down."""

SLACK_S: Final = 0.1
SETTLE_S: Final = 1.5
"""Until a breaker has seen enough, and what was under way has ended."""

TROUBLES: Final[Sequence[dict[str, Any]]] = (
    {"fault": "reset_after"},
    {"fault": "hang"},
    {"fault": "status:429", "retry_after": 2},
    {"fault": "status:503"},
    {"fault": "slow_first_byte:700"},
)
ROWS: Final = "\n".join(
    [
        "models:",
        "- id: chaos",
        "  author: us",
        "  created: '2026-01-01'",
        "  tier: 3",
        "  offers:",
        *(f"  - {{provider: {name}, upstream: '{upstream}'}}" for name, upstream in UPSTREAM.items()),
        "prices:",
        *(
            f"- {{provider: {name}, model: '{upstream}', rates: {{input: {cents}, output: {cents}}}, source: https://a.example}}"
            for cents, (name, upstream) in enumerate(UPSTREAM.items(), 1)
        ),
    ]
)
SETTINGS: Final = {"FIRST_CONTENT_SECONDS": "1.5", "CONCENTRATE_ACCESS_LOG": "off", "LOG_LEVEL": "error"}

Kill = Callable[[float], Awaitable[None]]
"""Ends the process of one provider, and begins it again after so many seconds."""


@dataclass
class Outcome:
    """What the clients saw, and what was found wrong."""

    served: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    failed_over: int = 0
    cut_off: int = 0
    errors: list[str] = field(default_factory=list)
    probes: int = 0
    recovered_s: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def report(self) -> str:
        waits = sorted(self.waits) or [0.0]
        p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        back = ", ".join(f"{name} {wait:.1f} s" for name, wait in self.recovered_s.items())
        return "\n".join(
            [
                f"answers          {len(self.waits)}, of them {self.failed_over} after another provider had failed",
                f"cut off          {self.cut_off} streams that had begun when {KILLED} was killed",
                f"errors           {len(self.errors)} {self.errors[:3] or ''}",
                f"served by        {dict(self.served.most_common())}",
                f"first byte       p50 {p50:.2f} s, p99 {p99:.2f} s, longest {waits[-1]:.2f} s",
                f"probes           {self.probes} of the provider that stayed dead",
                f"back after       {back}",
                *self.wrong,
            ]
        )


class Run:
    """One run against a gateway in front of a replay server."""

    def __init__(self, url: str, key: str, replay: str, seconds: float, clients: int, workers: int, seed: int) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {key}"}
        self._replay = replay
        self._seconds = seconds
        self._clients = clients
        self._workers = workers
        self._random = Random(seed)
        self._until = 0.0
        self._killed_at = 0.0
        self.outcome = Outcome()

    async def run(self, kill: Kill | None) -> Outcome:
        """All clients, and the weather."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=PATIENCE_S)
        ) as session:
            self._session = session
            self._until = time.time() + self._seconds
            await session.delete(f"{self._replay}/_/requests")
            await self._order("DELETE")
            tasks = [self._client() for _ in range(self._clients)]
            await asyncio.gather(*tasks, self._weather(), self._long_troubles(), self._killing(kill))
            await self._order("DELETE")
        return self.outcome

    # ---- clients -----------------------------------------------------------------------------------------------------

    async def _client(self) -> None:
        await asyncio.sleep(self._random.uniform(0, 0.5))
        while time.time() < self._until:
            name = self._random.choice([*UPSTREAM, "", ""])
            sort = self._random.choice(["cost", "performance", "avg_latency"])
            body = {
                "model": f"{name}/chaos" if name else "chaos",
                "input": "Hello",
                "stream": self._random.random() < 0.5,
                "routing": {"provider": {"sort": sort}},
            }
            began = time.time()
            try:
                async with self._session.post(f"{self._url}/v1/responses", json=body, headers=self._headers) as answer:
                    self.outcome.waits.append(time.time() - began)
                    text = await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                self.outcome.errors.append(
                    f"{error!r} for {body['model']}, {began - self._until + self._seconds:.1f} s in"
                )
                continue
            self._judge(answer, text, streamed=bool(body["stream"]))
            await asyncio.sleep(self._random.uniform(0.2, 0.8))

    def _judge(self, answer: aiohttp.ClientResponse, text: str, *, streamed: bool) -> None:
        whole = "event: response.completed" in text or "event: response.incomplete" in text if streamed else True
        if not whole and time.time() < self._killed_at + 1 and f'"served":"{KILLED}/' in text:
            self.outcome.cut_off += 1
        elif answer.status != 200 or not whole:
            self.outcome.errors.append(f"{answer.status} {text[text.find('event: error') :][:500]}")
        else:
            self.outcome.served[answer.headers.get("x-concentrate-provider", "?")] += 1
            self.outcome.failed_over += answer.headers.get("x-concentrate-attempts") != "1"

    # ---- troubles ----------------------------------------------------------------------------------------------------

    async def _weather(self) -> None:
        """Each spell, some others are in trouble, never all of them.

        Where spells are shorter than a call and the first probes, one that is well was well before: a call sees two of them.
        """
        spell = max(1.5, self._seconds / 12)
        well = set(OTHERS)
        while time.time() < self._until - spell:
            spared = self._random.choice(sorted(well if spell < 2 * PROBE_INTERVAL_S else OTHERS))
            others = [name for name in OTHERS if name != spared]
            sick = self._random.sample(others, self._random.randrange(1, len(OTHERS)))
            well = set(OTHERS) - set(sick)
            for name in OTHERS:
                await self._order("DELETE", name)
                if name in sick:
                    await self._order("POST", name, **self._random.choice(TROUBLES))
            await asyncio.sleep(spell)
        for name in OTHERS:
            await self._order("DELETE", name)

    async def _killing(self, kill: Kill | None) -> None:
        if kill is not None:
            await asyncio.sleep(0.3 * self._seconds)
            self._killed_at = time.time()
            await kill(0.2 * self._seconds)

    async def _long_troubles(self) -> None:
        """One is dead and one throttled, from early on until there is time enough to come back."""
        await asyncio.sleep(0.1 * self._seconds)
        await self._order("POST", DEAD, fault="reset_after")
        await self._order("POST", THROTTLED, fault="status:429", retry_after=RETRY_AFTER_S)
        began = time.time()
        await asyncio.sleep(0.4 * self._seconds)
        await self._order("DELETE", THROTTLED)
        await self._order("DELETE", DEAD)
        ended = time.time()
        await asyncio.sleep(max(0.0, self._until - ended))
        self._judge_dead(await self._seen(DEAD), began, ended)
        self._judge_throttled(await self._seen(THROTTLED), ended)

    def _judge_dead(self, seen: list[dict[str, Any]], began: float, ended: float) -> None:
        """Its probes are doubling intervals apart, each jittered down to half of it."""
        asked = [each["at"] for each in seen if began + SETTLE_S <= each["at"] < ended]
        may, at, interval = 1, 0.0, PROBE_INTERVAL_S
        while (at := at + interval / 2) < ended - began:
            may += 1
            interval = min(2 * interval, PROBE_INTERVAL_MAX_S)
        self.outcome.probes = len(asked)
        if len(asked) > may * self._workers:
            self.outcome.wrong.append(f"{DEAD} was dead and asked {len(asked)} times, {may} are its probes")
        longest = min(
            PROBE_INTERVAL_MAX_S, PROBE_INTERVAL_S + ended - began
        )  # intervals double: each is as long as all before
        self._judge_recovery(DEAD, seen, ended, longest)

    def _judge_recovery(self, name: str, seen: list[dict[str, Any]], ended: float, longest: float) -> None:
        """Whether it was asked again, and answered, within an interval."""
        back = [each["at"] for each in seen if each["at"] > ended and each["status"] == 200]
        wait = min(back) - ended if back else float("inf")
        self.outcome.recovered_s[name] = wait
        if wait > longest + 1 and ended + longest + 1 < self._until:
            self.outcome.wrong.append(f"{name} was well again and asked after {wait:.1f} s, not {longest:.1f}")

    def _judge_throttled(self, seen: list[dict[str, Any]], ended: float) -> None:
        """Between what is asked there is the time it asked for; what was under way at its first 429 comes at once."""
        rest = 0.0
        for at in [each["at"] for each in seen if each["status"] == 429]:
            if at >= rest - SLACK_S:
                rest = at + RETRY_AFTER_S
            elif at > rest - RETRY_AFTER_S + SETTLE_S:
                self.outcome.wrong.append(f"{THROTTLED} was asked {rest - at:.1f} s before it had said")
        self._judge_recovery(THROTTLED, seen, ended, RETRY_AFTER_S + PROBE_INTERVAL_S)

    async def _order(self, method: str, provider: str = "", **order: Any) -> None:
        url = f"{self._replay}/_/queue" + (f"?provider={provider}" if method == "DELETE" and provider else "")
        body = {"provider": provider, "count": 1_000_000, **order} if method == "POST" else None
        async with self._session.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def _seen(self, provider: str) -> list[dict[str, Any]]:
        async with self._session.get(f"{self._replay}/_/requests?provider={provider}") as answer:
            rows: list[dict[str, Any]] = await answer.json()
        return rows


@contextlib.asynccontextmanager
async def mortal() -> AsyncIterator[tuple[int, Kill]]:
    """A fake of one provider as a process of its own: its port, and how to kill it."""
    stack = contextlib.ExitStack()
    url = stack.enter_context(fake("replay.server", "--recordings", str(SHARED / "recordings")))
    port = int(url.rpartition(":")[2])

    async def kill(for_s: float) -> None:
        await asyncio.to_thread(stack.close)
        await asyncio.sleep(for_s)
        begin = fake("replay.server", "--recordings", str(SHARED / "recordings"), port=port)
        await asyncio.to_thread(stack.enter_context, begin)

    try:
        yield port, kill
    finally:
        stack.close()


async def chaos(folder: Path, replay: str, *, seconds: float, clients: int, workers: int = 1, seed: int = 1) -> Outcome:
    """A gateway in front of the replay server, and a run against it. Long ones kill a process too."""
    (folder / "rows.yaml").write_text(ROWS)
    async with contextlib.AsyncExitStack() as stack:
        given = (
            environment(replay) | SETTINGS | {"CONCENTRATE_CONFIG": str(folder / "rows.yaml"), "WORKERS": str(workers)}
        )
        kill = None
        if seconds >= 20:
            port, kill = await stack.enter_async_context(mortal())
            given["MISTRAL_BASE_URL"] = f"http://127.0.0.1:{port}/mistral"
        gateway = await asyncio.to_thread(stack.enter_context, serving(folder, given))
        return await Run(gateway.url, gateway.key, replay, seconds, clients, workers, seed).run(kill)


def main() -> int:
    """Runs what the arguments say; exit status 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        fake("replay.server", "--recordings", str(SHARED / "recordings")) as replay,
    ):
        outcome = asyncio.run(
            chaos(
                Path(folder),
                replay,
                seconds=given.seconds,
                clients=given.clients,
                workers=given.workers,
                seed=given.seed,
            )
        )
    print(outcome.report())
    return int(bool(outcome.errors or outcome.wrong))


if __name__ == "__main__":
    sys.exit(main())
