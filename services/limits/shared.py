"""The buckets of many machines, in Redis or Valkey, and what happens when it does not answer.

A request waits `BUDGET_S` for it at most. After `LATE_MAX` late answers in a row, an error (full, a replica, another server
in its place) or a lost connection nobody asks it any more, and nobody waits, until it has answered `PROBES` questions in
time; it is asked by a task beside the requests. One line of log says that it is gone, and one that it is back.

Cluster mode is not supported: the keys of one script are in different slots.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Final

import structlog

from services.limits.accounts import Account
from services.limits.buckets import NOTHING, Charge
from services.limits.link import Link, LinkError, Reply, connect
from services.limits.local import Change
from services.limits.scripts import GIVE, PROBE, RENEW, TAKE
from services.limits.standing import Taken

BUDGET_S: Final = 0.005
LATE_MAX: Final = 3
PROBES: Final = 3
PROBE_EVERY_S: Final = 0.2
LEASE_MS: Final = 15_000
START_S: Final = 1.0

_GRACE_S: Final = 0.001
_SILENT_S: Final = 5.0
_AGAIN_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_RENEWED_AT_ONCE: Final = 500
_PROBE_KEY: Final = b"concentrate:limits:probe"

_log = structlog.get_logger("limits")


class OutOfReach(Exception):
    """Redis does not answer, or not in time."""


class SharedStore:
    """Buckets on a server."""

    def __init__(
        self,
        url: str,
        *,
        process: str,
        budget_s: float = BUDGET_S,
        lease_ms: int = LEASE_MS,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """`process`: an id that no other process has, or had. `clock`: milliseconds, None for the server's own."""
        self._url = url
        self._process = process
        self._budget_s = budget_s
        self._lease_ms = b"%d" % lease_ms
        self._clock = clock
        self._numbers = count()
        self._link: Link | None = None
        self._scripts: dict[str, bytes] = {}
        self._up = False
        self._said_down = False
        self._late = 0
        self._late_takes: dict[asyncio.Future[Reply], list[Change]] = {}
        self._late_leases: dict[asyncio.Future[Reply], bytes] = {}
        self._leases: dict[bytes, list[bytes]] = {}
        self._trouble = asyncio.Event()
        self._tried = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects, and from now on keeps the connection. Waits for it `START_S` at most."""
        self._keeping = asyncio.create_task(self._keep())
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._tried.wait()

    async def close(self) -> None:
        """Ends the connection. Leases of requests that are not settled by now run out."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self._link is not None:
            self._link.close()

    @property
    def up(self) -> bool:
        """Whether it is asked at all."""
        return self._up

    async def take(self, accounts: Sequence[Account], charge: Charge) -> tuple[Taken, bytes]:
        """Takes the charge and a lease from all accounts, or from none. Also gives the lease. Raises `OutOfReach`."""
        link = self._link
        if not self._up or link is None:
            raise OutOfReach
        lease = f"{self._process}:{next(self._numbers)}".encode()
        words = [self._now(), self._lease_ms, lease, *(b"%d" % amount for amount in charge)]
        for account in accounts:
            words += account.words
        answer = self._run(link, TAKE, _keys(accounts), words)
        timer = asyncio.get_running_loop().call_later(self._budget_s, self._too_late, answer)
        try:
            reply = await answer
        except LinkError as error:
            self._down(str(error))
            raise OutOfReach from None
        except (TimeoutError, asyncio.CancelledError) as gone:
            left = isinstance(gone, asyncio.CancelledError)  # else it uses what it may have taken, but no lease
            self._late_takes[answer] = [Change(account, charge if left else NOTHING, True) for account in accounts]
            self._late_leases[answer] = lease
            if left:
                raise
            self._late += 1
            if self._late >= LATE_MAX:
                self._down(f"{LATE_MAX} answers in a row took longer than {self._budget_s * 1000:g} ms")
            raise OutOfReach from None
        finally:
            timer.cancel()
        self._late = 0
        taken = _taken(reply)
        if taken.admitted and (held := [each.keys[1] for each in accounts if each.limits[3] >= 0]):
            self._leases[lease] = held
        return taken, lease

    def give(self, changes: Sequence[Change], lease: bytes) -> None:
        """Gives back, without waiting. What cannot be said now is lost: debts are forgiven, leases run out."""
        self._leases.pop(lease, None)
        if not self._up or self._link is None:
            return
        words = [self._now(), lease]
        for change in changes:
            words += (*change.account.words[:3], *(b"%d" % part for part in change.back), b"%d" % change.leaves)
        self._run(self._link, GIVE, _keys([change.account for change in changes]), words)

    def renew(self) -> None:
        """Makes the leases of all requests under way last: to be called a few times in the length of a lease."""
        if not self._up or self._link is None:
            return
        pairs = [(key, lease) for lease, keys in self._leases.items() for key in keys]
        for start in range(0, len(pairs), _RENEWED_AT_ONCE):
            some = pairs[start : start + _RENEWED_AT_ONCE]
            words = [self._now(), self._lease_ms, *(lease for _, lease in some)]
            self._run(self._link, RENEW, [key for key, _ in some], words)

    # ---- one question ------------------------------------------------------------------------------------------------

    def _run(self, link: Link, script: str, keys: Sequence[bytes], words: Sequence[bytes]) -> "asyncio.Future[Reply]":
        return link.call(b"EVALSHA", self._scripts[script], b"%d" % len(keys), *keys, *words)

    def _now(self) -> bytes:
        return b"" if self._clock is None else b"%d" % self._clock()

    def _too_late(self, answer: "asyncio.Future[Reply]") -> None:
        """Time is up, unless the answer is here and only this process was too busy to read it."""
        asyncio.get_running_loop().call_later(_GRACE_S, _give_up, answer)

    def _unclaimed(self, answer: "asyncio.Future[Reply]", reply: Reply) -> None:
        """What was taken for a request that did not wait: its lease ends, and if nobody uses the rest it is given back."""
        changes, lease = self._late_takes.pop(answer, []), self._late_leases.pop(answer, b"")
        if changes and isinstance(reply, list) and reply[0]:
            self.give(changes, lease)

    # ---- the connection ------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        failures = 0
        while True:
            link = self._link
            if link is None or link.closed.done():
                if link is not None or failures:
                    self._down("the connection ended")
                    await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
                failures = 0 if await self._open() else failures + 1
                self._tried.set()
                continue
            self._trouble.clear()
            if not self._up and await self._well(link):
                self._set_up()
            elif not self._up:
                await asyncio.sleep(PROBE_EVERY_S)
                continue
            link.closed.add_done_callback(lambda _: self._trouble.set())
            await self._trouble.wait()

    async def _open(self) -> bool:
        """A new connection, and whether it is well."""
        try:
            link = await connect(self._url)
        except LinkError as error:
            self._down(str(error))
            return False
        link.unclaimed = self._unclaimed
        self._link, self._late_takes, self._late_leases = link, {}, {}
        if await self._well(link):
            self._set_up()
            return True
        return False

    async def _well(self, link: Link) -> bool:
        """Whether it has the scripts, takes writes, and answers in time, several times in a row."""
        try:
            async with asyncio.timeout(_SILENT_S):
                for script in (TAKE, GIVE, RENEW, PROBE):
                    digest = await link.call(b"SCRIPT", b"LOAD", script.encode())
                    assert isinstance(digest, bytes), "what SCRIPT LOAD answers"
                    self._scripts[script] = digest
                for _ in range(PROBES):
                    answer = self._run(link, PROBE, [_PROBE_KEY], [])
                    timer = asyncio.get_running_loop().call_later(self._budget_s, self._too_late, answer)
                    try:
                        await answer
                    finally:
                        timer.cancel()
                return True
        except TimeoutError:
            self._down("it answers too slowly")
            return False
        except LinkError as error:
            self._down(str(error))
            return False

    def _set_up(self) -> None:
        self._up, self._late = True, 0
        if self._said_down:
            self._said_down = False
            _log.warning("rate limits are shared again")

    def _down(self, why: str) -> None:
        self._up = False
        self._trouble.set()
        if not self._said_down:
            self._said_down = True
            _log.warning("rate limits are not shared", error=why)


def _give_up(answer: "asyncio.Future[Reply]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
        with suppress(TimeoutError):
            answer.result()  # seen: its waiter may have left


def _keys(accounts: Sequence[Account]) -> list[bytes]:
    return [key for account in accounts for key in account.keys]


def _taken(reply: Reply) -> Taken:
    assert isinstance(reply, list), "what the script answers"
    admitted, *numbers = reply
    rows = range(0, len(numbers), 4)
    used = [(numbers[at], numbers[at + 1], numbers[at + 2]) for at in rows]
    return Taken(bool(admitted), used, [numbers[at + 3] for at in rows])
