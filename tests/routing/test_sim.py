"""Some simulated hours of outages and changing latency and prices; bench/routing_sim.py has the whole day, and the targets."""

from bench.routing_sim import COST_MAX, SUCCESS_MIN, Simulation, report


def test_calls_are_served_well_whatever_breaks():
    """Nobody hears of a provider's outage while another one lives; the cheapest and the fastest are found."""
    day = Simulation(hours=4, rate=0.7, seed=3).run()
    assert sum(slot.asked - slot.served for slot in day.slots) > 20, "nothing broke"
    assert day.success >= SUCCESS_MIN, report(day)
    assert day.cost <= COST_MAX, report(day)
    assert day.latency <= 1.15, report(day)  # a few hours hold few calls, and all begin without a measurement
