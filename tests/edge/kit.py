"""An edge alone: the real Envoy in front of servicers that a test brings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from concentrate.http.v1.http_service_pb2_grpc import HttpServiceServicer, add_HttpServiceServicer_to_server
from concentrate.models.v1.models_service_pb2_grpc import ModelsServiceServicer, add_ModelsServiceServicer_to_server

from services.runtime import envoy
from services.runtime.server import Server
from services.runtime.settings import Settings
from services.runtime.supervisor import envoy_binary
from tests.gateway import free_port


@asynccontextmanager
async def edge(folder: Path, http: HttpServiceServicer, models: ModelsServiceServicer) -> AsyncIterator[int]:
    """The port of an Envoy in front of these two, in this process."""
    socket, port = folder / "w.sock", free_port()
    added = (partial(add_HttpServiceServicer_to_server, http), partial(add_ModelsServiceServicer_to_server, models))
    server = Server(added, ["concentrate.http.v1.HttpService", "concentrate.models.v1.ModelsService"])
    await server.start(f"unix:{socket}")
    (folder / "envoy.json").write_text(envoy.render(Settings(port=port), [socket], folder / "admin.sock"))
    envoy_json = str(folder / "envoy.json")
    with (folder / "envoy.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            envoy_binary(), "-c", envoy_json, "--disable-hot-restart", "--concurrency", "1", "-l", "error", stderr=log
        )
    try:
        await _until_open(port)
        yield port
    finally:
        process.kill()
        await process.wait()
        await server.stop(0)


async def _until_open(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
