"""Starting, measuring and stopping the processes of a benchmark. Linux only: it reads /proc."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

READY_SECONDS_MAX: Final = 30
STOP_SECONDS_MAX: Final = 20


class Process:
    """One process that we started, and all its descendants."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log.open("ab")
        self._log_path = log
        environment = {**os.environ, **(env or {})}
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self._log, text=True)

    def wait_for(self, word: str) -> str:
        """The first line of output that begins with the word. Raises `RuntimeError` when the process ends before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line.strip()
        raise RuntimeError(f"{self._process.args!r} ended: {self._log_path.read_text()[-2000:]}")

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found, queue = [], [self._process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += [int(child) for child in task.read_text().split()]
        return found

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


def is_envoy(pid: int) -> bool:
    return "envoy" in Path(f"/proc/{pid}/comm").read_text()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads, ended ones included (what clock_getcpuclockid(3) reads)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_mb(pid: int) -> float:
    """Resident memory in MB (10**6 bytes)."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6
