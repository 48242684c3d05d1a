"""Conversations with a gateway through the official OpenAI SDK, held as its documentation says: output goes back as input."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseReasoningItem

from services.adapters.registry import DIALECTS
from services.catalog.catalog import dialect_of, load
from services.vocabulary.seal import unseal
from tests.gateway import Gateway

Json = dict[str, Any]

# Every provider, and at each every wire format it speaks.
MODELS = [
    "openai/gpt-5.5",
    "anthropic/claude-opus-4-8",
    "anthropic/claude-sonnet-4-5",
    "azure/gpt-5.5",
    "azure/claude-sonnet-4-5",
    "azure/grok-4",
    "vertex/gemini-2.5-pro",
    "vertex/gemini-3-pro-preview",
    "vertex/claude-sonnet-4-5",
    "vertex/meta/llama-4-maverick",
    "gemini/gemini-3-pro-preview",
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock/amazon.nova-pro-v1:0",
    "bedrock/openai.gpt-oss-120b-1:0",
    "xai/grok-4",
    "cohere/command-a-reasoning-08-2025",
    "mistral/magistral-medium-latest",
    "cloudflare/@cf/meta/llama-4-scout-17b-16e-instruct",
    "huggingface/openai/gpt-oss-120b",
]
SEALED = {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}


def dialect(model: str) -> str:
    """The wire format a model is asked in."""
    provider, _, upstream = model.partition("/")
    return dialect_of(load().providers[provider], upstream)


assert {dialect(model) for model in MODELS} == set(DIALECTS) - {"anthropic_bedrock"}, "a format nobody talks"


def unlisted(model: str) -> str:
    """A model of the same provider and format that no row lists: it does not rest after a failure that a test wants."""
    return f"{model}-unlisted"


def client(gateway: Gateway) -> openai.OpenAI:
    """The SDK as people configure it, but that it tries once."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20)


def function(name: str, **properties: str) -> Json:
    """A strict function tool whose parameters have these JSON types."""
    parameters = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "description": f"{name}.", "parameters": parameters, "strict": True}


WEATHER = function("get_weather", city="string")
TIME = function("get_time", zone="string")


class Upstream:
    """What reached the providers since the beginning of a test. `expected`: what they refused, and were meant to."""

    def __init__(self, book: httpx.Client) -> None:
        self._book = book
        self.expected: list[str] = []
        book.delete("/_/requests").raise_for_status()

    def requests(self) -> list[Json]:
        """Path, body, status and problem of each, oldest first."""
        return list(self._book.get("/_/requests").json()["requests"])

    def strings(self) -> list[str]:
        """Every string of the last body."""
        return list(_strings(self.requests()[-1]["body"]))

    def refused(self) -> list[str]:
        """What the providers refused."""
        return [each["problem"] for each in self.requests() if each.get("problem")]


class Talk:
    """One conversation. Every request carries all items so far, as they came; options (tools, reasoning) stay the same."""

    def __init__(self, sdk: openai.OpenAI, **options: Any) -> None:
        self._sdk = sdk
        self._options = options
        self.items: list[Any] = []
        self.sent: list[Any] = []  # the items of the last request

    def say(self, model: str, text: str, *, stream: bool = False) -> Response:
        """The answer to the next user message."""
        self.items.append({"role": "user", "content": text})
        return self.go_on(model, stream=stream)

    def report(self, model: str, answer: Response, output: str, *, stream: bool = False, **more: Any) -> Response:
        """The answer to the results of all calls of the last answer: `<output> <number>`."""
        for number, call in enumerate(calls(answer)):
            result = {"type": "function_call_output", "call_id": call.call_id, "output": f"{output} {number}"}
            self.items.append(result)
        return self.go_on(model, stream=stream, **more)

    def go_on(self, model: str, *, stream: bool = False, **more: Any) -> Response:
        """The answer to the items as they are; it becomes part of the conversation."""
        asked = {
            "model": model,
            "input": self.items,
            "store": False,
            "extra_body": only(model),
            **self._options,
            **more,
        }
        self.sent = list(self.items)
        if stream:
            with self._sdk.responses.stream(**asked) as events:
                *_, last = events
            answer: Response = last.response
        else:
            answer = self._sdk.responses.create(**asked)
        self.items += answer.output
        return answer


def only(model: str) -> Json:
    """Keeps a request at the provider it names: the others that have the model would answer when that one fails."""
    return {"routing": {"provider": {"only": [model.partition("/")[0]]}}}


def calls(answer: Response) -> list[ResponseFunctionToolCall]:
    """The function calls of an answer."""
    return [item for item in answer.output if isinstance(item, ResponseFunctionToolCall)]


def arguments(answer: Response) -> list[Json]:
    """Of all function calls, parsed."""
    return [json.loads(call.arguments) for call in calls(answer)]


def seal(item: ResponseReasoningItem) -> str:
    """The provider's own blob, without the gateway's envelope; empty where it gave none."""
    return unseal(item.encrypted_content).blob if item.encrypted_content else ""


def seals(items: list[Any]) -> list[str]:
    """All blobs of these items, in order."""
    return [blob for item in items if isinstance(item, ResponseReasoningItem) and (blob := seal(item))]


def lost(answer: Response) -> dict[str, str]:
    """What the gateway says did not reach the provider as asked: parameter and action."""
    return {loss["param"]: loss["action"] for loss in answer.to_dict()["translation_losses"]}  # type: ignore[attr-defined]


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
        case _:
            pass
