"""Lets requests in as fast as their accounts allow: on this machine, or together with all replicas."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from services.errors import Overloaded, RateLimited
from services.limits.accounts import AccountBook, Accounts
from services.limits.buckets import NOTHING, Charge
from services.limits.headers import Headers, both, openai
from services.limits.local import BEAT_S, Change, LocalStore
from services.limits.shared import LEASE_MS, OutOfReach, SharedStore
from services.limits.standing import Standing, Taken, refusal, standing
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.usage import Usage

OUTPUT_TOKENS: Final = 1024
"""What is reserved for an answer whose length the client does not limit; the truth is known at its end."""

MESSAGES: Final = "messages"
"""The surface whose clients look for Anthropic's headers."""

_RENEW_EVERY: Final = max(1, int(LEASE_MS / 3000 / BEAT_S))
"""Heartbeats from one renewal of leases to the next."""

_NOT_SHARED: Final = "Rate limits cannot be checked just now, and nothing is let in unchecked. Please try again."


class BucketLimiter:
    """The limiter of one process."""

    def __init__(
        self,
        book: AccountBook,
        local: LocalStore,
        shared: SharedStore | None = None,
        *,
        alone: AccountBook | None = None,
    ) -> None:
        """`alone`: the accounts to go by when `shared` does not answer, by default the same."""
        self._book = book
        self._alone = alone or book
        self._local = local
        self._shared = shared
        self._turns: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Has all accounts be found anew: models have other names now."""
        self._book.forget()
        self._alone.forget()

    async def start(self) -> None:
        """From now on places are kept and connections held."""
        if self._shared is not None:
            await self._shared.start()
        self._turns = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Lets go of everything."""
        if self._turns is not None:
            self._turns.cancel()
            await asyncio.wait({self._turns})
        if self._shared is not None:
            await self._shared.close()
        self._local.close()

    async def admit(self, call: Call, caller: Caller, *, input_tokens: int, surface: str = "") -> "BucketAdmission":
        """See `ports.Limiter`."""
        admission = await self._ask(caller, call.model, partial(_charge, call, input_tokens), surface)
        if (error := admission.refused()) is not None:
            raise error
        return admission

    async def standing(self, caller: Caller, *, surface: str = "") -> Headers:
        """See `ports.Limiter`."""
        admission = await self._ask(caller, "", lambda _: NOTHING, surface)
        admission.exempt()
        return admission.headers

    async def _ask(
        self, caller: Caller, model: str, charge_of: Callable[[Accounts], Charge], surface: str
    ) -> "BucketAdmission":
        """Takes what the request is charged from the accounts it meets, or not: `refused` says."""
        write = both if surface == MESSAGES else openai
        if self._shared is not None:
            accounts = self._book.find(caller, model)
            charge = charge_of(accounts)
            with suppress(OutOfReach):
                taken, lease = await self._shared.take(accounts.all, charge)
                self._local.see(accounts.all, taken)
                give = partial(self._shared.give, lease=lease)
                served = self._served(self._book, caller)
                return BucketAdmission(accounts, charge, taken, give, served, write)
            if accounts.on_outage == "refuse":
                raise Overloaded(_NOT_SHARED, retry_after=1)
        accounts = self._alone.find(caller, model)
        charge = charge_of(accounts)
        taken = await self._local.take(accounts.all, charge)
        served = self._served(self._alone, caller)
        return BucketAdmission(accounts, charge, taken, self._local.give, served, write)

    def _served(self, book: AccountBook, caller: Caller) -> Callable[[str], Accounts]:
        return lambda model: book.find(caller, model)

    async def _run(self) -> None:
        """The heartbeat, and the leases."""
        beats = 0
        while True:
            self._local.beat()
            await asyncio.sleep(BEAT_S)
            beats += 1
            if self._shared is not None and beats % _RENEW_EVERY == 0:
                self._shared.renew()


class BucketAdmission:
    """A request that was let in, or that was not: `refused` says. `give` gives back to the store it was taken from."""

    def __init__(
        self,
        accounts: Accounts,
        charge: Charge,
        taken: Taken,
        give: Callable[[Sequence[Change]], None],
        served: Callable[[str], Accounts],
        write: Callable[[Standing], Headers],
    ) -> None:
        self._accounts = accounts
        self._charge = charge
        self._taken = taken
        self._give = give
        self._served = served
        self._write = write
        self._over = not taken.admitted
        self._standing: Standing | None = None

    @property
    def standing(self) -> Standing:
        """Where the caller stands with this request let in, or refused."""
        if self._standing is None:
            self._standing = standing(self._accounts.all, self._taken)
        return self._standing

    @property
    def headers(self) -> Headers:
        """See `ports.Admission`."""
        return self._write(self.standing)

    def refused(self) -> RateLimited | None:
        """The error of one that was not let in."""
        if self._taken.admitted:
            return None
        error = refusal(self._accounts.all, self._charge, self._taken).error()
        error.headers += self.headers
        return error

    def settle(self, usage: Usage | None, model: str | None = None) -> None:
        """See `ports.Admission`. All input counts, cached or not."""
        self._end((1, 0, 0) if usage is None else (1, usage.input_total, usage.output), model)

    def exempt(self) -> None:
        """See `ports.Admission`."""
        self._end(NOTHING, None)

    def _end(self, used: Charge, model: str | None) -> None:
        if self._over:
            return
        self._over = True
        accounts, moved = self._accounts, None
        if model is not None and accounts.model is not None:
            served = self._served(model)
            moved = served if served.model != accounts.model else None
        rest = _less(self._charge, used)
        changes = [Change(account, rest, True) for account in accounts.general]
        if moved is None:
            changes += [Change(account, rest, True) for account in accounts.by_model]
        else:  # `auto` has chosen: what was used is the debt of the model that served
            changes += [Change(account, self._charge, True) for account in accounts.by_model]
            changes += [Change(account, _less(NOTHING, used), False) for account in moved.by_model]
        if changes:
            self._give(changes)


def _charge(call: Call, input_tokens: int, accounts: Accounts) -> Charge:
    """What is reserved: of output no more than the smallest bucket holds, else a generous client would never be let in."""
    output = OUTPUT_TOKENS if call.max_output_tokens is None else call.max_output_tokens
    for account in accounts.all:
        if 0 <= account.limits[2] < output:
            output = account.limits[2]
    return 1, input_tokens, output


def _less(one: Charge, other: Charge) -> Charge:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]
