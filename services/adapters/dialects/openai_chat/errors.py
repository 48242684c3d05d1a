"""Error bodies of the chat format's providers, and whose fault each is.

{"error": {"message", "type", "param", "code"}}                        OpenAI, Azure, Hugging Face, vLLM, Ollama, llama.cpp
{"code": "…", "error": "text"}                                         xAI; {"error": "text"} Hugging Face
{"object": "error", "message": "text" or {"detail": […]}, "type", "code"}, {"detail": "text" or […]}   Mistral
{"success": false, "errors": [{"code", "message"}]}                    Cloudflare
"""

from collections.abc import Mapping

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.retry_after import retry_after

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_MESSAGE_MAX = 2000  # characters of a provider's text worth showing

_STATUS: Mapping[int, Kind] = {
    401: Kind.CREDENTIAL,
    402: Kind.CREDENTIAL,  # our account there is out of money
    403: Kind.CREDENTIAL,
    404: Kind.UNAVAILABLE,  # no such model here; perhaps elsewhere
    408: Kind.TIMEOUT,
    409: Kind.UNAVAILABLE,
    424: Kind.UNAVAILABLE,  # Hugging Face: the provider behind the router failed
    425: Kind.UNAVAILABLE,
    429: Kind.RATE_LIMITED,
    498: Kind.UNAVAILABLE,  # Groq through Hugging Face: flex capacity exceeded
    504: Kind.TIMEOUT,
}

# Codes and types that say more than the status, or come without one in the middle of a stream.
_CODE: Mapping[str, Kind] = {
    "authentication_error": Kind.CREDENTIAL,
    "insufficient_quota": Kind.CREDENTIAL,
    "invalid_api_key": Kind.CREDENTIAL,
    "permission_error": Kind.CREDENTIAL,
    "permissiondenied": Kind.CREDENTIAL,
    "badrequesterror": Kind.CALLER,
    "content_filter": Kind.CALLER,
    "context_length_exceeded": Kind.CALLER,
    "invalid_request_error": Kind.CALLER,
    "invalid_prompt": Kind.CALLER,
    "rate_limit_error": Kind.RATE_LIMITED,
    "rate_limit_exceeded": Kind.RATE_LIMITED,
    "ratelimitreached": Kind.RATE_LIMITED,
    "toomanyrequests": Kind.RATE_LIMITED,
    "deploymentnotfound": Kind.UNAVAILABLE,
    "invalid_model": Kind.UNAVAILABLE,
    "model_not_found": Kind.UNAVAILABLE,
    "model_not_supported": Kind.UNAVAILABLE,
    "internal_error": Kind.UNAVAILABLE,
    "internal_server_error": Kind.UNAVAILABLE,
    "internalservererror": Kind.UNAVAILABLE,
    "overloaded": Kind.UNAVAILABLE,
    "overloaded_error": Kind.UNAVAILABLE,
    "server_error": Kind.UNAVAILABLE,
    "service_error": Kind.UNAVAILABLE,
    "service_unavailable": Kind.UNAVAILABLE,
    "the service is currently unavailable": Kind.UNAVAILABLE,
    "timeout": Kind.TIMEOUT,
}

_PARAM: Mapping[str, str] = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "prompt": "input",
    "random_seed": "seed",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An answer with a status of 400 or more."""
    message, code, type_, param = _read(body)
    named = _CODE.get(code.lower()) or _CODE.get(type_.lower())
    if status >= 500:
        kind = _STATUS.get(status, Kind.UNAVAILABLE)
    elif status in _STATUS:
        # A spent account answers 429, which waiting does not mend.
        kind = Kind.CREDENTIAL if named is Kind.CREDENTIAL else _STATUS[status]
    elif "incorrect api key" in message.lower():  # xAI answers a wrong key with 400
        kind = Kind.CREDENTIAL
    else:
        kind = named if named in (Kind.CREDENTIAL, Kind.UNAVAILABLE) else Kind.CALLER
    return UpstreamError(
        kind,
        message or f"status {status}",
        status=status,
        retry_after=retry_after(headers),
        param=param if kind is Kind.CALLER else None,
        code=code or type_ or None,
    )


def stream_error(data: bytes) -> UpstreamError:
    """An error object in the middle of a stream, or in a body with a status of 200."""
    message, code, type_, param = _read(data)
    kind = _CODE.get(code.lower()) or _CODE.get(type_.lower())
    if kind is None and code.isdigit() and 400 <= int(code) <= 599:  # vLLM: an HTTP status as code
        status = int(code)
        kind = _STATUS.get(status, Kind.UNAVAILABLE if status >= 500 else Kind.CALLER)
    return UpstreamError(
        kind or Kind.FAILED,
        message or "the provider reported an error without a message",
        param=param,
        code=code or type_ or None,
    )


def _read(body: bytes) -> tuple[str, str, str, str | None]:
    """Message, code, type (empty where absent) and parameter of any of the shapes above."""
    try:
        value: Json = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace").strip()
        return ("" if text.startswith("<") else text[:_MESSAGE_MAX]), "", "", None  # an HTML page says nothing
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return str(value or "")[:_MESSAGE_MAX], "", "", None
    inner = value.get("error")
    if isinstance(inner, list):
        inner = inner[0] if inner else None
    errors = value.get("errors")
    if isinstance(inner, dict):
        value = inner
    elif isinstance(errors, list) and errors and isinstance(errors[0], dict):
        value = errors[0]
    message = _message(inner) if isinstance(inner, str) else _message(value.get("message") or value.get("detail"))
    param = value.get("param")
    return (
        message[:_MESSAGE_MAX],
        _text(value.get("code")),
        _text(value.get("type") or value.get("error_type")),
        _param(param),
    )


def _message(value: Json) -> str:
    """A text, or FastAPI's list of complaints as one."""
    if isinstance(value, dict):
        value = value.get("detail") or value.get("message") or value.get("msg")
    if isinstance(value, list):
        return "; ".join(_complaint(entry) for entry in value)
    return _text(value)


def _complaint(entry: Json) -> str:
    if not isinstance(entry, dict):
        return _text(entry)
    where = entry.get("loc")
    path = ".".join(_text(step) for step in where if step != "body") if isinstance(where, list) else ""
    said = _text(entry.get("msg"))
    return f"{path}: {said}" if path else said


def _text(value: Json) -> str:
    return "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _param(value: Json) -> str | None:
    """The parameter's name in a Responses request; positions of messages differ there, so only `input` is said of them."""
    if not isinstance(value, str) or not value:
        return None
    head = value.split(".", 1)[0].split("[", 1)[0]
    return _PARAM.get(head, value.replace("].function.", "]."))
