"""Conversations over the chat surface through the official SDK: what the assistant said goes back as it came."""

from typing import Any

import openai
from openai.types.chat import ChatCompletion

from services.vocabulary.seal import unseal

Json = dict[str, Any]


def function(name: str, *properties: str) -> Json:
    """A strict function tool, as chat nests it."""
    parameters = {
        "type": "object",
        "properties": {key: {"type": "string"} for key in properties},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": parameters}}


WEATHER, TIME = function("get_weather", "city"), function("get_time", "zone")


class Chat:
    """One conversation: what the assistant said goes back as it came, with all members."""

    def __init__(self, sdk: openai.OpenAI, model: str, **options: Any) -> None:
        self._sdk = sdk
        self._asked = {"model": model, **options}
        self.messages: list[Json] = []

    def ask(self, model: str) -> None:
        """From now on, this model."""
        self._asked["model"] = model

    def say(self, text: str, *, stream: bool) -> ChatCompletion:
        """The answer to the next user message."""
        self.messages.append({"role": "user", "content": text})
        return self.go_on(stream=stream)

    def report(self, answer: ChatCompletion, output: str, *, stream: bool) -> ChatCompletion:
        """The answer to the results of all calls of the last answer: `<output> <number>`."""
        for number, call in enumerate(answer.choices[0].message.tool_calls or []):
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{output} {number}"})
        return self.go_on(stream=stream)

    def go_on(self, *, stream: bool) -> ChatCompletion:
        """The answer to the messages as they are; it becomes part of the conversation."""
        if stream:
            options = {"stream_options": {"include_usage": True}}
            with self._sdk.chat.completions.stream(messages=self.messages, **self._asked, **options) as events:  # type: ignore[arg-type]
                for _ in events:
                    pass
                answer: ChatCompletion = events.get_final_completion()
        else:
            answer = self._sdk.chat.completions.create(messages=self.messages, **self._asked)
        message = answer.choices[0].message.model_dump(exclude_none=True, exclude={"parsed"})
        for call in message.get("tool_calls") or []:
            call.get("function", {}).pop("parsed_arguments", None)
        self.messages.append(message)
        return answer


def seals(messages: list[Json]) -> list[str]:
    """The providers' own blobs in these messages, in order."""
    details = [detail for message in messages for detail in message.get("reasoning_details") or []]
    return [blob for detail in details if detail.get("data") and (blob := unseal(detail["data"]).blob)]
