"""The `routing` field, in all three shapes the API has had.

current  {"model": {"fallbacks", "sort"}, "provider": {"fallbacks", "sort", "interval", …}}
second   {"metric", "interval"}
first    {"strategy": "min" | "max", "metric", "interval"}

`provider.fallbacks` is, despite its name, a whitelist; `provider.only` says the same. What is beyond the reference:
`only`, `ignore`, `max_price`, `require_parameters`, `zdr`, `hedge`.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from services.errors import InvalidRequest
from services.surface.reading import decode
from services.vocabulary.routing import MaxPrice, Routing

Price = Annotated[float, Meta(ge=0)]
NonEmpty = Annotated[str, Meta(min_length=1)]


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    fallbacks: Annotated[list[NonEmpty], Meta(max_length=20)] | None = None
    sort: NonEmpty | None = None


class _MaxPrice(msgspec.Struct, forbid_unknown_fields=True):
    input: Price | None = None
    output: Price | None = None


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    fallbacks: list[NonEmpty] | None = None
    sort: NonEmpty | None = None
    interval: NonEmpty | None = None
    only: list[NonEmpty] | None = None
    ignore: list[NonEmpty] | None = None
    max_price: _MaxPrice | None = None
    require_parameters: bool | None = None
    zdr: bool | None = None
    hedge: bool | None = None


class _Routing(msgspec.Struct, forbid_unknown_fields=True):
    model: _Model | None = None
    provider: _Provider | None = None
    strategy: Literal["min", "max"] | None = None
    metric: NonEmpty | None = None
    interval: NonEmpty | None = None


_OLDER: Final = {"routing.provider.sort": "routing.metric", "routing.provider.interval": "routing.interval"}
_WHITELIST: Final = {"routing.provider.only": "routing.provider.fallbacks"}

_routing = msgspec.json.Decoder(_Routing)


def read_routing(raw: msgspec.Raw) -> Routing | None:
    """The field in one shape; None when it says nothing. Raises `InvalidRequest`."""
    if bytes(raw).strip() in (b"", b"null", b"{}"):
        return None
    given = decode(raw, _routing, "routing")
    older = given.strategy is not None or given.metric is not None or given.interval is not None
    if older and (given.model is not None or given.provider is not None):
        raise InvalidRequest("`routing` mixes its older form (strategy, metric) with the current one.", param="routing")
    if older:
        return Routing(
            sort=given.metric,
            highest=given.strategy == "max" if given.strategy else None,
            interval=given.interval,
            paths=_OLDER,
        )
    model, provider = given.model or _Model(), given.provider or _Provider()
    if provider.only and provider.fallbacks:
        raise InvalidRequest(
            "`provider.only` and `provider.fallbacks` say the same; send one.", param="routing.provider.only"
        )
    limit = provider.max_price
    return Routing(
        fallbacks=model.fallbacks or [],
        model_sort=model.sort,
        sort=provider.sort,
        interval=provider.interval,
        only=provider.only or provider.fallbacks or [],
        ignore=provider.ignore or [],
        max_price=MaxPrice(limit.input, limit.output) if limit is not None else None,
        require_parameters=bool(provider.require_parameters),
        zdr=bool(provider.zdr),
        hedge=bool(provider.hedge),
        paths=_WHITELIST if provider.fallbacks else {},
    )
