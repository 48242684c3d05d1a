"""The management API for gRPC clients: the same operations, with messages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc
from concentrate.management.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    credentials_service_pb2,
    credentials_service_pb2_grpc,
    keys_service_pb2,
    keys_service_pb2_grpc,
    money_service_pb2,
    money_service_pb2_grpc,
    organizations_service_pb2,
    organizations_service_pb2_grpc,
)
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from services.errors import InvalidRequest
from services.management import operations
from services.management.http_service import header
from services.management.office import Office
from services.management.reading import checked
from services.mirror import mirror
from services.ports import KeyRing

Context = grpc.aio.ServicerContext[Any, Any]
Register = Callable[[Any, grpc.aio.Server], None]

SERVICES: Final[Sequence[tuple[ServiceDescriptor, type, Register]]] = [
    (
        module.DESCRIPTOR.services_by_name[name],
        getattr(stubs, f"{name}Servicer"),
        getattr(stubs, f"add_{name}Servicer_to_server"),
    )
    for module, stubs, name in (
        (organizations_service_pb2, organizations_service_pb2_grpc, "OrganizationsService"),
        (keys_service_pb2, keys_service_pb2_grpc, "KeysService"),
        (credentials_service_pb2, credentials_service_pb2_grpc, "CredentialsService"),
        (audit_service_pb2, audit_service_pb2_grpc, "AuditService"),
        (money_service_pb2, money_service_pb2_grpc, "MoneyService"),
    )
]
"""Descriptor, servicer and registration of each service."""


def servicer(service: ServiceDescriptor, base: type, office: Office, keys: KeyRing) -> Any:
    """An object that serves it: an RPC for each operation of that name. Errors are the interceptor's."""
    methods = {rpc.name: staticmethod(_method(rpc, office, keys)) for rpc in service.methods}
    return type(service.name, (base,), methods)()


def _method(rpc: Any, office: Office, keys: KeyRing) -> Callable[[Any, Context], Awaitable[Any]]:
    operation = operations.ALL[rpc.name]
    asking = mirror(operation.asked, GetMessageClass(rpc.input_type))
    answering = mirror(operation.answered, GetMessageClass(rpc.output_type))

    async def serve(request: Any, context: Context) -> Any:
        caller = await keys.verify(header(context, "authorization"), header(context, "x-api-key"), scope=None)
        try:
            asked = checked(asking.to_struct(request))
        except ValueError as error:
            raise InvalidRequest(f"{error}.") from None
        key = header(context, "idempotency-key")
        return answering.to_message(await office.run(operation, caller, asked, idempotency_key=key))

    return serve
