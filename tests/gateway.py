"""A real gateway for tests: `concentrate serve` as a process of its own, with Envoy, on a free port."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-cn-v1-test0000000000000000000000000000000000"
START_SECONDS_MAX = 60
PORTS = range(
    10_000, 30_000
)  # the system gives those above to connections, from when we have found one free until it is used
_ports = itertools.cycle(random.sample(PORTS, len(PORTS)))


@dataclass
class Gateway:
    """A running gateway. `log`: the file its stderr goes to (log lines of all processes, access log included)."""

    process: subprocess.Popen[str]
    url: str
    port: int
    key: str
    log: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def pids(self, containing: str = "") -> list[int]:
        """Process ids of the children whose command line contains the text."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [pid for pid in map(int, children) if containing in command_line(pid)]

    def workers(self) -> list[int]:
        """Process ids of the workers that serve; the one on standby is none."""
        listening = {line.split()[6] for line in Path("/proc/net/unix").read_text().split("\n") if "/worker-" in line}
        return [pid for pid in self.pids("runtime.worker") if listening & sockets(pid)]

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        """Sends the signal and waits for the end."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextlib.contextmanager
def serving(folder: Path, environment: Mapping[str, str] | None = None, **variables: str) -> Iterator[Gateway]:
    """A gateway with its state in `folder`. It sees no variable of ours but PATH, and those given."""
    port = int(variables.get("PORT") or free_port())
    sockets = tempfile.mkdtemp(prefix="gw-")  # short, as the path of a socket must be, and gone also after a kill
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": sockets,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "PORT": str(port),
        "CONCENTRATE_DISCOVER_LOCAL": "off",  # whatever runs on this machine
        "CONCENTRATE_DATA_DIR": str(folder / "data"),
        "CONCENTRATE_BOOTSTRAP_KEY": KEY,
        **(environment or {}),
        **variables,
    }
    log = folder / "gateway.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.runtime.cli", "serve"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        gateway = Gateway(process, _ready_url(process, log), port, env["CONCENTRATE_BOOTSTRAP_KEY"], log)
        yield gateway
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)  # at once
        try:
            process.wait(30)
        finally:
            process.kill()
            shutil.rmtree(sockets, ignore_errors=True)
        assert process.stdout is not None
        process.stdout.close()


@contextlib.contextmanager
def together(*starting: contextlib.AbstractContextManager[T]) -> Iterator[list[T]]:
    """All of them, begun at the same time: most of a start is waiting for it."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:
        yield list(pool.map(stack.enter_context, starting))


def refused(folder: Path, **variables: str) -> str:
    """What a gateway that does not start says on stderr."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    env |= {
        "CONCENTRATE_DISCOVER_LOCAL": "off",
        "CONCENTRATE_DATA_DIR": str(folder / "data"),
        "CONCENTRATE_BOOTSTRAP_KEY": KEY,
        **variables,
    }
    command = [sys.executable, "-m", "services.runtime.cli", "serve"]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


def _ready_url(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS_MAX
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1]
        assert time.monotonic() < deadline, log.read_text()
    raise AssertionError(f"the gateway did not start:\n{log.read_text()}")


def free_port() -> int:
    """A port where nobody listens; it is not found again by whoever looks next."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def sockets(pid: int) -> set[str]:
    """Inodes of the sockets a process holds."""
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def command_line(pid: int) -> str:
    """Of a running process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
