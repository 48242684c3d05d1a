"""What the buckets say about one request: let in or not, for how long not, and what is left. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.errors import RateLimited
from services.limits.accounts import Account
from services.limits.buckets import Charge, fits, full_in_ms, remaining, wait_ms

KINDS: Final = ("requests", "input tokens", "output tokens")

PLACE_WAIT_MS: Final = 1000
"""When a place may come free nobody knows; this is what clients are told to wait."""

NEVER_WAIT_MS: Final = 60_000
"""What those are told who ask for more than a bucket holds: some clients wait for want of anything else to do."""


class Taken(NamedTuple):
    """What a store says to an attempt to take a charge.

    used: per account what is used of its three buckets, after the charge if it was admitted, else without it.
    places: per account how many requests are under way, likewise.
    """

    admitted: bool
    used: Sequence[tuple[int, int, int]]
    places: Sequence[int]


class Window(NamedTuple):
    """One kind of bucket, in the account where least is left. reset_ms: until it is full."""

    limit: int
    remaining: int
    reset_ms: int


class Standing(NamedTuple):
    """Where the caller stands. None: nothing limits this."""

    requests: Window | None
    input_tokens: Window | None
    output_tokens: Window | None


def standing(accounts: Sequence[Account], taken: Taken) -> Standing:
    """The tightest of each kind."""
    windows: list[Window | None] = [None, None, None]
    for account, used in zip(accounts, taken.used, strict=True):
        for kind in (0, 1, 2):
            limit = account.limits[kind]
            if limit < 0:
                continue
            left, before = remaining(used[kind], limit), windows[kind]
            if before is None or left < before.remaining:
                windows[kind] = Window(limit, left, full_in_ms(used[kind], limit))
    return Standing(*windows)


class Refusal(NamedTuple):
    """Why a request is not let in. wait_ms: until it would be, as far as anybody knows."""

    message: str
    wait_ms: int

    def error(self) -> RateLimited:
        """The error that says so."""
        error = RateLimited(self.message, retry_after=max(1, -(-self.wait_ms // 1000)))
        error.headers.append(("retry-after-ms", str(self.wait_ms)))  # the OpenAI SDKs prefer it, being finer
        return error


def refusal(accounts: Sequence[Account], charge: Charge, taken: Taken) -> Refusal:
    """Of all that refuse, who refuses longest."""
    worst = Refusal("", -1)
    for account, used, places in zip(accounts, taken.used, taken.places, strict=True):
        whose = account.whose
        for kind in (0, 1, 2):
            limit, amount = account.limits[kind], charge[kind]
            if fits(used[kind], amount, limit):
                continue
            what = KINDS[kind]
            if amount > limit:
                text = f"This request needs about {amount} {what}; the limit of the {whose} is {limit} per minute."
                found = Refusal(text, NEVER_WAIT_MS)
            else:
                wait = wait_ms(used[kind], amount, limit)
                text = (
                    f"Rate limit of the {whose}: {limit} {what} per minute, of which {remaining(used[kind], limit)} are left"
                    f"{f' and about {amount} needed' if kind else ''}. Try again in {seconds(wait)}."
                )
                found = Refusal(text, wait)
            worst = max(worst, found, key=lambda each: each.wait_ms)
        limit = account.limits[3]
        if 0 <= limit <= places:
            text = f"Rate limit of the {whose}: {limit} requests at once, and as many are under way."
            worst = max(worst, Refusal(text, PLACE_WAIT_MS), key=lambda each: each.wait_ms)
    return worst


def seconds(ms: int) -> str:
    """Milliseconds for people and for clients, as OpenAI and the language Go write them: `20ms`, `1.5s`, `6m0s`."""
    if ms < 1000:
        return f"{ms}ms" if ms > 0 else "0s"
    minutes, rest = divmod(ms, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
