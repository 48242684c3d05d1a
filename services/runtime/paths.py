"""Where the files are that are not Python."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

ENVOY_TEMPLATE: Final = ROOT / "envoy/envoy.yaml"
ENVOY_LUA: Final = ROOT / "envoy/edge.lua"
DESCRIPTOR: Final = ROOT / "gen/concentrate.pb"
OPENAPI: Final = ROOT / "gen/openapi.json"
