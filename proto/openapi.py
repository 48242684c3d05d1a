"""Makes the OpenAPI 3.1 document of the HTTP API.

Paths come from the `google.api.http` bindings of the protos. Bodies of the wire-exact surfaces come from the msgspec structs
that read and write them (so limits and defaults are the real ones), bodies of transcoded RPCs from their messages, errors from
`services/errors.py`, and descriptions from the comment beside each element.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import chat_words
import messages_api
from google.api import annotations_pb2
from schemas import Protos, Structs, reachable

from services import errors
from services.chat import objects as chat_objects
from services.chat import schema as chat_schema
from services.explain import document as explained
from services.management import operations
from services.models import filters, shapes
from services.responses import counting, objects, schema, stream_events
from services.responses.state import compaction, conversations, pages, stored

Json = dict[str, Any]

JSON: Final = "application/json"
SSE: Final = "text/event-stream"

# The HttpBody RPCs: the structs of their bytes, and the messages that describe and complete those structs.
REQUESTS: Final[dict[str, tuple[Any, str | None]]] = {
    "CreateResponse": (schema.ResponsesRequest, "CreateResponseRequest"),
    "CountInputTokens": (schema.ResponsesRequest, "CreateResponseRequest"),
    "ExplainRoute": (schema.ResponsesRequest, "CreateResponseRequest"),
    "CreateChatCompletion": (chat_schema.ChatRequest, None),
    "CompactResponse": (compaction.CompactRequest, "CompactResponseRequest"),
    "CreateConversation": (conversations.CreateConversation, "CreateConversationRequest"),
    "UpdateConversation": (conversations.UpdateConversation, "UpdateConversationRequest"),
    "CreateConversationItems": (conversations.CreateItems, "CreateConversationItemsRequest"),
}
OURS: Final = ("500", "503")  # all that can fail where nothing is asked
MODELS: Final[dict[str, tuple[Any, str]]] = {
    "ListModels": (shapes.ListModelsResponse, "ListModelsResponse"),
    "GetModel": (shapes.ModelDetail, "ModelDetail"),
    "GetModelProvider": (shapes.ModelOffer, "ModelOffer"),
    "ListProviders": (list[shapes.ProviderName], "ProviderName"),
    "ListProviderModels": (list[shapes.ModelDetail], "ModelDetail"),
    "ListAuthorModels": (list[shapes.ModelDetail], "ModelDetail"),
}
RESPONSES: Final[dict[str, dict[str, tuple[Any, str | None]]]] = {
    **{name: {JSON: (shape, f".concentrate.models.v1.{message}")} for name, (shape, message) in MODELS.items()},
    "CreateResponse": {
        JSON: (objects.Response, "Response"),
        SSE: (stream_events.StreamEvent, "StreamEvent"),
    },
    "ExplainRoute": {JSON: (explained.ExplainResponse, ".concentrate.routing.v1.ExplainResponse")},
    "CreateChatCompletion": {
        JSON: (chat_objects.ChatCompletion, None),
        SSE: (chat_objects.ChatCompletionChunk, None),
    },
    "GetResponse": {
        JSON: (objects.Response, "Response"),
        SSE: (stream_events.StreamEvent, "StreamEvent"),
    },
    "DeleteResponse": {JSON: (stored.Deleted, "DeleteResponseResponse")},
    "ListInputItems": {JSON: (pages.ItemList, "ListInputItemsResponse")},
    "CompactResponse": {JSON: (compaction.CompactedResponse, "CompactResponseResponse")},
    "CancelResponse": {JSON: (objects.Response, "Response")},
    "CreateConversation": {JSON: (conversations.ConversationObject, "Conversation")},
    "GetConversation": {JSON: (conversations.ConversationObject, "Conversation")},
    "UpdateConversation": {JSON: (conversations.ConversationObject, "Conversation")},
    "DeleteConversation": {JSON: (conversations.ConversationDeleted, "DeleteConversationResponse")},
    "ListConversationItems": {JSON: (pages.ItemList, "ListInputItemsResponse")},
    "CreateConversationItems": {JSON: (pages.ItemList, "ListInputItemsResponse")},
    "DeleteConversationItem": {JSON: (conversations.ConversationObject, "Conversation")},
    "GetConversationItem": {JSON: (dict[str, Any], None)},
    "CountInputTokens": {JSON: (counting.InputTokens, ".concentrate.http.v1.InputTokens")},
    "GetHealth": {JSON: (dict[str, str], None)},
    "GetOpenApi": {JSON: (dict[str, Any], None)},
}
MANAGED: Final = operations.ALL
"""RPCs of the management API, whose structs have the names of the messages."""
MANAGEMENT: Final = ".concentrate.management.v1."
OMITTING: Final = ("Settings", "Limits", "Rates")
"""Structs that leave out what nobody has settled."""
LIMITS: Final[Json] = {
    "limit": {"minimum": 1, "maximum": pages.LIMIT_MAX, "default": pages.LIMIT},
    "order": {"enum": ["asc", "desc"], "default": "desc"},
}
OPEN: Final = {"GetHealth": OURS, "GetOpenApi": OURS, **dict.fromkeys(MODELS, ("400", "404", *OURS))}  # need no key
FILTERED: Final = {"ListModels", "ListProviderModels", "ListAuthorModels"}

INFO: Final = {
    "title": "Concentrate Responses API",
    "version": "1",
    "description": "One endpoint and one format for the models of all configured providers. "
    "gRPC clients call the typed services of `proto/` on the same port.",
}

ETAG: Final = (
    "Tells versions of the answer apart: with the last one in `If-None-Match`, the same answer is 304 and has no body."
)
STREAMED: Final = "JSON, or server-sent events: each `data:` holds one event, and the last one is `[DONE]`."


def document(image: bytes) -> bytes:
    """The document, from an image of the protos with comments. The same input gives the same bytes."""
    protos = Protos(image)
    types = [shape for shape, _ in REQUESTS.values()]
    types += [shape for contents in RESPONSES.values() for shape, _ in contents.values()]
    types += list(dict.fromkeys(shape for each in MANAGED.values() for shape in (each.asked, each.answered)))
    structs = Structs(types, protos)
    paths: Json = {}
    for service, method in protos.methods():
        rule = method.options.Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        if verb is not None:
            name = f"{service}.{method.name}"
            if method.name in messages_api.NAMES:
                statuses = [status for status, _ in _error_responses()]
                operation = messages_api.operation(method.name, protos.comment(name), statuses)
            else:
                operation = _operation(protos, structs, name, method)
            paths.setdefault(getattr(rule, verb), {})[verb] = operation
    structs.components["ResponsesRequest"]["properties"]["stream"]["description"] = "Asks for server-sent events."
    _relax(protos.components["Item"])
    same = {
        name: str(schema.get("description", ""))
        for name, schema in structs.components["ResponsesRequest"]["properties"].items()
    }
    chat_words.describe(structs.components, same)
    _numbers(structs.components)
    for name in OMITTING:
        structs.components[name]["required"] = []
    failures = dict(_error_responses())
    schemas = {**structs.components, **protos.components, "Error": _error()}
    components = {
        "schemas": reachable(schemas, [paths, failures]),
        "responses": failures,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "description": "A key: `sk-cn-v1-…`."},
            "x_api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key."},
        },
    }
    made = {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"x_api_key": []}],
        "paths": dict(sorted(paths.items())),
        "components": components,
    }
    return json.dumps(made, indent=1, ensure_ascii=False).encode() + b"\n"


def _relax(item: Json) -> None:
    """What JSON allows and types do not: a message needs no `type`, and its content may be a string."""
    message = item["anyOf"][0]
    assert message["properties"]["type"] == {"const": "message"}
    message["required"].remove("type")
    content = message["properties"]["content"]
    parts = {"type": "array", "items": content.pop("items")}
    del content["type"]
    content["anyOf"] = [{"type": "string"}, parts]


def _operation(protos: Protos, structs: Structs, name: str, method: Any) -> Json:
    summary, _, rest = protos.comment(name).partition("\n\n")
    operation: Json = {"operationId": method.name, "summary": summary}
    if rest:
        operation["description"] = rest
    if method.name in OPEN:
        operation["security"] = []
    if parameters := _parameters(protos, method):
        operation["parameters"] = parameters
    if method.name in REQUESTS:
        shape, message = REQUESTS[method.name]
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": structs.schema(shape, message)}}}
    if method.name in MANAGED:
        contents = {JSON: {"schema": _managed(protos, structs, method, operation)}}
    elif method.name in RESPONSES:
        contents = {
            media: {"schema": structs.schema(shape, message, sent=True)}
            for media, (shape, message) in RESPONSES[method.name].items()
        }
    else:
        contents = {JSON: {"schema": protos.schema(method.output_type, sent=True)}}
    failures = OPEN.get(method.name) or [status for status, _ in _error_responses()]
    operation["responses"] = {
        "200": {"description": STREAMED if SSE in contents else "It worked.", "content": contents},
        **{status: {"$ref": f"#/components/responses/{status}"} for status in failures},
    }
    if method.name in MODELS:
        operation["responses"]["200"]["headers"] = {"ETag": {"description": ETAG, "schema": {"type": "string"}}}
        operation["responses"]["304"] = {"description": "The client has it."}
    return operation


def _managed(protos: Protos, structs: Structs, method: Any, operation: Json) -> Json:
    """The schema of the answer. What the path does not name is in the body, or in the query where there is none."""
    managed = MANAGED[method.name]
    message = f"{MANAGEMENT}{method.name}Request"
    rule = method.options.Extensions[annotations_pb2.http]
    named = re.findall(r"\{(\w+)\}", getattr(rule, rule.WhichOneof("pattern")))
    asked = structs.schema(managed.asked, message)
    component = structs.components[asked["$ref"].rpartition("/")[2]]
    if rule.body:
        for name in named:
            component["properties"].pop(name, None)
            if name in component.get("required", []):
                component["required"].remove(name)
        for name, value in component["properties"].items():
            if name not in component.get("required", []) and "$ref" not in value and value.get("type") == "array":
                value.pop("default", None)
        required = bool(component.get("required"))
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": asked}}}
    else:
        operation.setdefault("parameters", []).extend(
            {
                "name": name,
                "in": "query",
                "description": protos.comment(f"{message}.{name}"),
                "schema": {key: part for key, part in value.items() if key != "description"},
            }
            for name, value in component["properties"].items()
            if name not in named
        )
    return structs.schema(managed.answered, f"{MANAGEMENT}{_answer(method.name, managed.answered)}", sent=True)


def _answer(name: str, answered: Any) -> str:
    """The message of an answer."""
    return {
        "DeleteProviderCredential": "DeleteProviderCredentialResponse",
        "DeleteBudget": "DeleteBudgetResponse",
    }.get(name, str(answered.__name__))


def _numbers(schema: Any) -> None:
    """Amounts of money are JSON numbers, where msgspec would write decimals as text."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            del schema["format"]
            schema.pop("pattern", None)
            schema["type"] = "number"
        for value in schema.values():
            _numbers(value)
    elif isinstance(schema, list):
        for value in schema:
            _numbers(value)


def _parameters(protos: Protos, method: Any) -> list[Json]:
    rule = method.options.Extensions[annotations_pb2.http]
    path = getattr(rule, rule.WhichOneof("pattern"))
    made: list[Json] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": protos.comment(f"{method.input_type}.{name}"),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    taken = {*re.findall(r"\{(\w+)", path), rule.body}
    if rule.body != "*" and method.name not in MANAGED:
        made += [
            _query(protos, method, field) for field in protos.members(method.input_type) if field.name not in taken
        ]
    if method.name in MODELS:
        tags = {"name": "If-None-Match", "in": "header", "description": ETAG, "schema": {"type": "string"}}
        made.append(tags)
    if method.name in FILTERED:
        made += [_filter(name, kind) for name, kind in filters.PATHS.items()]
    return made


def _query(protos: Protos, method: Any, field: Any) -> Json:
    schema = {**protos.value(field), **LIMITS.get(field.name, {})}
    described = protos.comment(f"{method.input_type}.{field.name}")
    return {"name": field.name, "in": "query", "description": described, "schema": schema}


def _filter(name: str, kind: filters.Kind) -> Json:
    if kind in ("number", "date"):
        said = f"Must be this; `{name}.gte`, `.lte`, `.gt` and `.lt` compare."
    else:
        said = "Must be among them." if kind == "list" else "Must be this."
    type_ = kind if kind in ("boolean", "number") else "string"
    return {"name": name, "in": "query", "description": said, "schema": {"type": type_}}


def _error() -> Json:
    codes = sorted({error.code for error in _errors()})
    return {
        "description": "Every error a client can see.",
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "description": "Says what is wrong.",
                "type": "object",
                "required": ["type", "code", "message", "param"],
                "properties": {
                    "type": {"type": "string", "description": "Is the family of the error."},
                    "code": {"type": "string", "description": "Is for programs.", "examples": codes},
                    "message": {"type": "string", "description": "Is for people."},
                    "param": {
                        "type": ["string", "null"],
                        "description": "Is the path of the parameter to blame (`input[2].content[0].image_url`).",
                    },
                    "retry_after": {"type": "integer", "description": "Is how many seconds to wait."},
                    "model": {"type": "string", "description": "Is the `provider/model` that failed."},
                },
            }
        },
    }


def _error_responses() -> Iterator[tuple[str, Json]]:
    for status in sorted({error.http for error in _errors()}):
        kinds = [error for error in _errors() if error.http == status]
        said = " ".join(f"`{kind.code}`: {(kind.__doc__ or '').strip()}" for kind in kinds)
        yield (
            str(status),
            {
                "description": said,
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        )


def _errors() -> list[type[errors.GatewayError]]:
    """All errors, in the order of the file."""
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.GatewayError) and value is not errors.GatewayError
    ]
