"""How the caller wants the provider and the model to be chosen (the `routing` field, in one shape), and how they were."""

import msgspec


class MaxPrice(msgspec.Struct, frozen=True):
    """The most a target may cost, in US dollars per million tokens. None: any price."""

    input: float | None = None
    output: float | None = None


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Empty means: as the gateway chooses. Names of providers may be aliases.

    fallbacks: models tried, in this order, when the one asked for fails; the last may be `auto`.
    model_sort: what `auto` favours: cost, performance, or a live metric.
    sort: how the providers of a model are ordered: cost, performance, or a live metric (`p95_latency`).
    highest: True or False where the older form said `strategy` max or min; None leaves it to the metric.
    interval: how far back live metrics look (`15m`).
    only, ignore: providers that alone, or that never, may be asked. zdr: only offers with zero data retention.
    require_parameters: only targets that carry every parameter of the call; a loss excludes them.
    hedge: when the first target is slower than it mostly is, a second one is asked too.
    paths: where the request has what stands elsewhere in the current form (`routing.provider.sort`: `routing.metric`).
    """

    fallbacks: list[str] = []
    model_sort: str | None = None
    sort: str | None = None
    highest: bool | None = None
    interval: str | None = None
    only: list[str] = []
    ignore: list[str] = []
    max_price: MaxPrice | None = None
    require_parameters: bool = False
    zdr: bool = False
    hedge: bool = False
    paths: dict[str, str] = {}

    def path(self, current: str) -> str:
        """The path in the request of what the current form has at this one."""
        return self.paths.get(current, current)


class RouteTaken(msgspec.Struct):
    """How an answer was routed. requested: the model as asked for; served: `provider/model`; attempts: providers asked.

    reason: what decided the order.
    """

    requested: str
    served: str
    attempts: int
    reason: str
