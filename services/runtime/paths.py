"""Where things are: the files that are not Python, and what a worker listens on."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

ENVOY_TEMPLATE: Final = ROOT / "envoy/envoy.yaml"
ENVOY_LUA: Final = ROOT / "envoy/edge.lua"
DESCRIPTOR: Final = ROOT / "gen/concentrate.pb"
OPENAPI: Final = ROOT / "gen/openapi.json"

SOCKETS: Final = "/v1/responses"
"""The path of the edge that also takes WebSockets."""


def beside(socket: Path) -> Path:
    """Where a worker whose gRPC is on `socket` takes WebSockets."""
    return socket.with_suffix(".ws")
