"""What a process serves."""

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from services.runtime.sockets import Sessions


@dataclass(frozen=True)
class Service:
    """A gRPC service: its full name, and what adds it to a server. sessions: what it says on WebSockets, if it does."""

    name: str
    register: Callable[[grpc.aio.Server], None]
    sessions: Sessions | None = None
