"""What can be asked of the ledger for a call, and what it answers. Amounts are nano-dollars, times milliseconds since 1970.

An account is named by its owner (`org:org_1`), a budget by its scope in the same way (`org:…`, `team:…`, `user:…`, `key:…`).
"""

from dataclasses import dataclass
from typing import Final

FUNDING: Final = "house:funding"
REVENUE: Final = "house:revenue"
ADJUSTMENTS: Final = "house:adjustments"
SHORTFALL: Final = "house:shortfall"
HOUSE: Final = (FUNDING, REVENUE, ADJUSTMENTS, SHORTFALL)
"""The other side of every transfer: money comes from outside, is earned, corrected, or was never paid."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Sets money aside. `want` is the worst case.

    flexible: less will do, down to `minimum`: the caller named no limit of the answer, so the credit is its limit. Of what is
    left a call then gets a quarter, but `least` if that is more, so that calls at the same time do not starve each other.
    trial: nothing is set aside, only said what would be.
    """

    response_id: str
    account: str
    scopes: tuple[str, ...]
    key_id: str
    want: int
    least: int
    minimum: int
    flexible: bool
    description: str
    lease: str
    now_ms: int
    expires_ms: int
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """amount: what was set aside. unlimited: nothing, because nothing can run out."""

    amount: int
    unlimited: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    """Posts what a call cost, and gives back the rest of its hold. usage: its row; daily: key and counts of its sum."""

    response_id: str
    account: str
    scopes: tuple[str, ...]
    key_id: str
    amount: int
    description: str
    began_ms: int
    now_ms: int
    usage: tuple[object, ...]
    daily: tuple[tuple[str, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Settled:
    """charged: what the owner paid. shortfall: what neither the hold nor the account had, and the house bears."""

    charged: int
    shortfall: int


@dataclass(frozen=True, slots=True)
class Release:
    """Gives back a hold of a call that will not be settled."""

    response_id: str
    account: str
    now_ms: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """amount: what was given back; 0 when nothing was held any more."""

    amount: int


Operation = Reserve | Settle | Release
Result = Granted | Settled | Released
