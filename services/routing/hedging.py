"""Whether a second target is asked while the first is still silent, and when: later than the first mostly answers.

Off unless the request wants it. What it may cost is capped: of the calls that want it, at most so many are asked twice,
however slow a provider is. A window counts the calls of this process; a burst of slow answers can use up what earlier quick
ones have left, but no more than that.
"""

from typing import Final

from services.catalog.schema import Target
from services.routing import metric
from services.routing.health import LiveHealth
from services.vocabulary.call import Call

SHARE_MAX: Final = 0.05
"""Of the calls that want hedging, how many are asked twice."""

SAVED_MAX: Final = 10.0
"""So many hedges may be saved up while answers are quick."""

SOONEST_S: Final = 0.05
_STREAMED: Final = metric.parse("p95_latency", param="")
_WHOLE: Final = metric.parse("p95_e2e_latency", param="")


class Hedging:
    """One per process. `share_max`: of the calls that want it, 0 to 1; 0: never."""

    def __init__(self, health: LiveHealth, *, share_max: float = SHARE_MAX) -> None:
        self._health = health
        self._share_max = share_max
        self._saved = 0.0

    def after_s(self, target: Target, call: Call) -> float | None:
        """Seconds of silence after which another target is asked too: this one's 95th percentile. None: do not."""
        if call.routing is None or not call.routing.hedge or not self._share_max:
            return None
        self._saved = min(SAVED_MAX, self._saved + self._share_max)
        usual = self._health.usual(target, _STREAMED if call.stream else _WHOLE)
        return None if usual is None else max(SOONEST_S, usual)

    def allow(self) -> bool:
        """Leave to ask a second target now, if there is any left."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
