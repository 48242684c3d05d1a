"""Fakes of all providers from the folder beside the project, as processes of their own."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.gateway import free_port
from tests.shared_replay import SHARED

_VARIABLE = re.compile(r"([A-Z_]+)=(\S+)")


def environment(fake: str) -> dict[str, str]:
    """Every provider at one fake, with canary credentials: the variables of replay/providers.env."""
    lines = (SHARED / "replay" / "providers.env").read_text().splitlines()
    given = {name: value for line in lines if not line.startswith("#") for name, value in _VARIABLE.findall(line)}
    del given["FAKE"]
    return {name: value.replace("$FAKE", fake) for name, value in given.items()}


@contextlib.contextmanager
def fake(module: str, *arguments: str, port: int = 0) -> Iterator[str]:
    """The URL of a fake of the shared folder, running as a process of its own, that is killed at the end."""
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *arguments],
        cwd=SHARED,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "the fake did not start"
        time.sleep(0.05)
    raise AssertionError("the fake does not listen")
