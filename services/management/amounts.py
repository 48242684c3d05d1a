"""Money in answers and requests: US dollars as decimal numbers, exact to the nano-dollar, which is what is kept."""

from decimal import Decimal

from services.billing.money import NANO
from services.errors import InvalidRequest

_AMOUNT_MAX = 10**9


def usd(nano: int) -> Decimal:
    """Nano-dollars as dollars, without zeros at the end."""
    whole, rest = divmod(nano, NANO)
    return Decimal(whole) if rest == 0 else Decimal(nano).scaleb(-9).normalize()


def nano(amount: Decimal, param: str) -> int:
    """Dollars as nano-dollars. Raises `InvalidRequest` for what is finer than that, and for more than a billion."""
    if not amount.is_finite() or abs(amount) > _AMOUNT_MAX:
        raise InvalidRequest(f"`{param}` must be at most a billion dollars.", param=param)
    scaled = amount.scaleb(9)
    if scaled != int(scaled):
        raise InvalidRequest(f"`{param}` is finer than a billionth of a dollar.", param=param)
    return int(scaled)
