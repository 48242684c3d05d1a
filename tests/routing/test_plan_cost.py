"""What planning and measuring cost, with room for a busy machine; bench/routing_plan.py and routing_metrics.py measure well."""

import random
from math import prod

from bench.routing_metrics import attempts, recording
from bench.routing_plan import AUTO_US, PLAN_US, measured

ROOM = 4
"""Times the target. What this is to catch (a walk through the catalogue, a regular expression per offer) costs more."""


def test_a_plan_costs_little_and_the_same_in_any_catalogue():
    """Ten offers in 10 and in 2,000 models; `auto` looks at a bounded number of them."""
    costs = measured((10, 2000), count=20)
    for name, (small, large) in costs.items():
        assert large < ROOM * (AUTO_US if name == "auto" else PLAN_US), (name, large)
        assert name == "auto" or large < ROOM * small
    growth = prod(large / small for name, (small, large) in costs.items() if name != "auto")
    assert growth ** (1 / (len(costs) - 1)) < 2


def test_recording_an_attempt_costs_microseconds():
    """Once per attempt of every request."""
    assert recording(attempts(2000, random.Random(1))) < ROOM * 5
