"""Renders `envoy/envoy.yaml`: port, worker sockets, descriptor, TLS, routes, and the shape of Envoy's own errors."""

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from services.runtime import local_replies
from services.runtime.admin import HEALTH, PROBE
from services.runtime.paths import DESCRIPTOR, ENVOY_LUA, ENVOY_TEMPLATE, SOCKETS, beside
from services.runtime.settings import Settings

BODY_BYTES_MAX: Final = 48 << 20
"""More than is taken (32 MiB): what is somewhat too large is read and then refused, because a client that is cut off while
it sends may never see the answer."""

SLOW_READER_BYTES: Final = 1 << 20
"""What the edge holds, in each of its two buffers, for a client that reads slowly, before the provider is slowed."""

INTERNAL: Final = ("concentrate.adapters.", "concentrate.billing.")
"""Packages that no client may call. They are not served on the workers' public sockets either."""

JSON_TYPE: Final = "application/json"

STANDARD: Final = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
"""Services every gRPC tool knows; no JSON form."""

CORS_ALLOW: Final = (
    "authorization", "content-type", "accept", "x-api-key", "x-request-id", "idempotency-key", "anthropic-version",
    "anthropic-beta", "anthropic-dangerous-direct-browser-access", "openai-organization", "openai-project", "openai-beta",
    "x-stainless-lang", "x-stainless-package-version", "x-stainless-os", "x-stainless-arch", "x-stainless-runtime",
    "x-stainless-runtime-version", "x-stainless-retry-count", "x-stainless-timeout", "x-stainless-async",
    "x-stainless-helper", "x-stainless-helper-method", "x-grpc-web", "x-user-agent", "grpc-timeout",
)  # fmt: skip
CORS_EXPOSE: Final = (
    "x-request-id", "x-concentrate-provider", "x-concentrate-model", "x-concentrate-attempts", "retry-after", "retry-after-ms",
    "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
    "grpc-status", "grpc-message", "grpc-status-details-bin",
)  # fmt: skip


def render(settings: Settings, workers: Sequence[Path], admin_socket: Path, descriptor: Path = DESCRIPTOR) -> str:
    """The configuration of one Envoy in front of workers on these sockets. Raises `FileNotFoundError` without `gen/`."""
    services = public_services(descriptor)
    values: dict[str, Any] = {
        "admin_socket": str(admin_socket),
        "host": settings.host,
        "port": settings.port,
        "body_bytes_max": BODY_BYTES_MAX,
        "slow_reader_bytes": SLOW_READER_BYTES,
        "transport_socket": _tls(settings),
        "stream_idle_seconds": f"{settings.upstream_first_byte_seconds + 60:g}s",
        "local_replies": local_replies.mappers(),
        "cors_allow_headers": ",".join(CORS_ALLOW),
        "cors_expose_headers": ",".join(CORS_EXPOSE),
        "routes": [
            _ROOT,
            *map(_upgrade, (SOCKETS, f"{SOCKETS}/")),
            *map(_route, (*services, *STANDARD)),
            _REST,
            _NOWHERE,
        ],
        "lua": str(ENVOY_LUA),
        "descriptor": str(descriptor),
        "services": services,
        "workers": _endpoints(workers),
        "sockets": _endpoints([beside(worker) for worker in workers]),
        "access_log": _access_log(settings),
        "but_own_questions": _BUT_OWN_QUESTIONS,
    }
    filled = Template(ENVOY_TEMPLATE.read_text()).substitute(
        {name: json.dumps(value) for name, value in values.items()}
    )
    return json.dumps(yaml.safe_load(filled))  # resolves `<<`, which Envoy's own reader does not


def public_services(descriptor: Path) -> list[str]:
    """Full names of the services in the descriptor set that clients may call."""
    files = FileDescriptorSet.FromString(descriptor.read_bytes()).file
    names = [f"{file.package}.{service.name}" for file in files for service in file.service]
    return [name for name in names if not name.startswith(INTERNAL)]


def _endpoints(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [{"endpoint": {"address": {"pipe": {"path": str(path)}}}} for path in paths]


def _upgrade(path: str) -> dict[str, Any]:
    """WebSockets go past the transcoder: upgrades have filters of their own (envoy.yaml)."""
    header = {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}
    upgrade = {"upgrade_type": "websocket", "enabled": True}
    return {
        "match": {"path": path, "headers": [header]},
        "route": {"cluster": "sockets", "timeout": "0s", "upgrade_configs": [upgrade]},
    }


def _route(service: str) -> dict[str, Any]:
    route: dict[str, Any] = {"match": {"prefix": f"/{service}/"}, "route": _WORKERS}
    if service == _ANTHROPICS:  # its SDKs look for the id under this name
        header = {"key": "request-id", "value": "%REQ(X-REQUEST-ID)%"}
        route["response_headers_to_add"] = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return route


_ANTHROPICS: Final = "concentrate.http.v1.MessagesHttpService"


# No time limit of the edge's own: a stream may last; silence has one (stream_idle_timeout). A gRPC client's deadline is the
# worker's to keep: the edge would reset a stream that has begun, and the client may hear that before its own clock rings.
_WORKERS: Final = {"cluster": "workers", "timeout": "0s"}

# Claude Code asks `HEAD /` whether there is anything at all. No worker is needed to say so, and the transcoder, which knows no
# such method, is kept away.
_NO_TRANSCODING: Final = {
    "envoy.filters.http.grpc_json_transcoder": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor_bin": "",
        "services": [],
    }
}
_ROOT: Final = {
    "match": {
        "path": "/",
        "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}],
    },
    "direct_response": {
        "status": 200,
        "body": {"inline_string": '{"service": "concentrate", "openapi": "/openapi.json"}'},
    },
    "response_headers_to_add": [
        {"header": {"key": "content-type", "value": JSON_TYPE}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    ],
    "typed_per_filter_config": _NO_TRANSCODING,
}

# A REST path is here until the transcoder has turned it into the path of a method, or refused it: CORS needs a route
# before that. Nothing that is still REST gets past the transcoder.
_GRPC_TYPE: Final = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
_REST: Final = {
    "match": {"prefix": "/", "headers": [{**_GRPC_TYPE, "invert_match": True, "treat_missing_header_as_empty": True}]},
    "route": _WORKERS,
}

_NOWHERE: Final = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}  # to gRPC clients: UNIMPLEMENTED


def _tls(settings: Settings) -> dict[str, Any] | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    certificate = {
        "certificate_chain": {"filename": str(settings.tls_cert_file.absolute())},
        "private_key": {"filename": str(settings.tls_key_file.absolute())},
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [certificate]},
        },
    }


def _other_than(name: str, value: str) -> dict[str, Any]:
    header = {
        "name": name,
        "string_match": {"exact": value},
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }
    return {"header_filter": {"header": header}}


# While it starts the supervisor asks again and again whether a request would succeed. That is nobody's request.
_BUT_OWN_QUESTIONS: Final = {
    "or_filter": {"filters": [_other_than("user-agent", PROBE), _other_than("x-envoy-original-path", HEALTH)]}
}


def _access_log(settings: Settings) -> dict[str, Any]:
    loggers = "type.googleapis.com/envoy.extensions.access_loggers."
    if settings.access_log == "stderr":
        return {"@type": f"{loggers}stream.v3.StderrAccessLog"}
    file = "/dev/null" if settings.access_log == "off" else str(Path(settings.access_log).absolute())
    return {"@type": f"{loggers}file.v3.FileAccessLog", "path": file}
