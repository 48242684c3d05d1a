"""One request per feature, as a Responses body: what a dialect loses of it, refuses, or passes on."""

import base64
import json
from typing import Any, Final, NamedTuple

Json = dict[str, Any]


class Probe(NamedTuple):
    """One feature: `body` is asked with and without `more`.

    marks: words that must reach the provider, somewhere in the request; without any, the request must be another one.
    unsaid: the feature needs no word to the provider: it does so anyway, or the gateway does.
    """

    name: str
    more: Json
    body: Json = {}
    marks: tuple[str, ...] = ()
    unsaid: bool = False


DATA: Final = base64.b64encode(b"what the file holds").decode()
WORDS: Final = base64.b64encode(b"plain words in a file").decode()
CITY: Final = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "mark-property"}},
    "required": ["city"],
    "additionalProperties": False,
}
LOOSE: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: Final = {"type": "function", "name": "get_weather", "description": "mark-weather", "parameters": CITY}
TIME: Final = {**WEATHER, "name": "get_time", "description": "mark-time"}
TOOLS: Final = {"tools": [WEATHER, TIME]}
SHELL: Final = {"type": "custom", "name": "shell", "description": "mark-shell"}
GRAMMAR: Final = {"type": "grammar", "syntax": "lark", "definition": "mark-grammar"}
SEARCH: Final = {"tools": [{"type": "web_search"}]}
FORMAT: Final = {"text": {"format": {"type": "json_schema", "name": "city", "schema": CITY, "strict": True}}}
MARKER: Final = {"type": "ephemeral"}
HI: Final = {"role": "user", "content": "Hello."}
SAID: Final = {"role": "assistant", "content": "Hi."}
TOLD: Final = {"role": "developer", "content": "mark-told"}


def given(*items: Json, **more: Any) -> Json:
    return {"input": list(items), **more}


def user(*parts: Json) -> Json:
    return given({"role": "user", "content": [{"type": "input_text", "text": "Look."}, *parts]})


def image(url: str = f"data:image/png;base64,{DATA}", **more: str) -> Json:
    return {"type": "input_image", "image_url": url, **more}


def file(data: str = f"data:application/pdf;base64,{DATA}", name: str = "page.pdf") -> Json:
    return {"type": "input_file", "filename": name, "file_data": data}


def call(id: str) -> Json:
    return {"type": "function_call", "call_id": id, "name": "get_weather", "arguments": json.dumps({"city": id})}


def result(id: str, output: object, **more: object) -> Json:
    return {"type": "function_call_output", "call_id": id, "output": output, **more}


def after_call(output: object, **more: object) -> Json:
    return given(HI, call("call_a"), result("call_a", output, **more), **TOOLS)


def only(mode: str) -> Json:
    return {"tool_choice": {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "get_time"}]}}


def search(**more: object) -> Json:
    return {"tools": [{"type": "web_search", **more}]}


def effort(word: str) -> Probe:
    return Probe(f"effort {word}", {"reasoning": {"effort": word}}, unsaid=word == "none")


def marked(**marker: str) -> Json:
    return user({"type": "input_text", "text": "So.", **({"cache_control": marker} if marker else {})})


SECTIONS: Final[dict[str, list[Probe]]] = {
    "What is said": [
        Probe("text", {"input": "mark-text"}, marks=("mark-text",)),
        Probe("streamed", {"stream": True}),
        Probe("instructions", {"instructions": "mark-rules"}, marks=("mark-rules",)),
        Probe("system first", given({**TOLD, "role": "system"}, HI), given(HI), ("mark-told",)),
        Probe("developer later", given(HI, SAID, TOLD, HI), given(HI, SAID, HI), ("mark-told",)),
        Probe("system last", given(HI, TOLD), given(HI), ("mark-told",)),
        Probe("assistant last", given(HI, {**SAID, "content": "mark-said"}), given(HI), ("mark-said",)),
        Probe("`phase`", given(HI, {**SAID, "phase": "commentary"}, HI), given(HI, SAID, HI), ("commentary",)),
    ],
    "Images and documents": [
        Probe("image", user(image()), user(), (DATA,)),
        Probe("image by URL", user(image("https://example.com/mark.png")), user(), ("/mark.png",)),
        Probe("`detail`", user(image(detail="low")), user(image())),
        Probe("PDF", user(file()), user(), (DATA,)),
        Probe(
            "PDF by URL",
            user({"type": "input_file", "file_url": "https://example.com/mark.pdf"}),
            user(),
            ("/mark.pdf",),
        ),
        Probe("text file", user(file(f"data:text/plain;base64,{WORDS}", "a.txt")), user()),
        Probe("file by id", user({"type": "input_file", "file_id": "file-mark"}), user(), ("file-mark",)),
        Probe("image in a result", after_call([image()]), after_call("Sunny."), (DATA,)),
        Probe("PDF in a result", after_call([file()]), after_call("Sunny."), (DATA,)),
    ],
    "Tools": [
        Probe("functions", TOOLS, marks=("mark-weather", "mark-property")),
        Probe("`strict`", {"tools": [{**WEATHER, "strict": True}]}, {"tools": [{**WEATHER, "strict": False}]}),
        Probe(
            "`strict`, open schema", {"tools": [{**WEATHER, "parameters": LOOSE, "strict": True}]}, {"tools": [WEATHER]}
        ),
        Probe(
            "parallel calls",
            given(HI, call("call_a"), call("call_b"), result("call_b", "mark-b"), result("call_a", "mark-a"), **TOOLS),
            TOOLS,
            ("mark-a", "mark-b"),
        ),
        Probe("one at a time", {"parallel_tool_calls": False}, TOOLS),
        Probe("failed result", after_call("Down.", is_error=True), after_call("Down.")),
        Probe("custom tool", {"tools": [SHELL]}, marks=("mark-shell",)),
        Probe("with a grammar", {"tools": [{**SHELL, "format": GRAMMAR}]}, marks=("mark-shell", "mark-grammar")),
        Probe("other hosted tools", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
    ],
    "Choice of tools": [
        Probe("auto", {"tool_choice": "auto"}, TOOLS, unsaid=True),
        Probe("none", {"tool_choice": "none"}, TOOLS),
        Probe("required", {"tool_choice": "required"}, TOOLS),
        Probe("one function", {"tool_choice": {"type": "function", "name": "get_time"}}, TOOLS),
        Probe("allowed, may", only("auto"), TOOLS),
        Probe("allowed, must", only("required"), TOOLS),
    ],
    "Web search": [
        Probe("search", SEARCH),
        Probe("context size", search(search_context_size="high"), SEARCH),
        Probe(
            "allowed domains", search(filters={"allowed_domains": ["mark.example.com"]}), SEARCH, ("mark.example.com",)
        ),
        Probe(
            "user's place", search(user_location={"type": "approximate", "city": "mark-city"}), SEARCH, ("mark-city",)
        ),
        Probe("`max_tool_calls`", {"max_tool_calls": 3}, SEARCH),
        Probe(
            "beside functions", {"tools": [WEATHER, {"type": "web_search"}]}, {"tools": [WEATHER]}, ("mark-weather",)
        ),
    ],
    "Shape of the answer": [
        Probe("JSON schema", FORMAT, marks=("mark-property",)),
        Probe("beside tools", FORMAT, TOOLS, ("mark-property", "mark-weather")),
        Probe("JSON object", {"text": {"format": {"type": "json_object"}}}),
        Probe("verbosity", {"text": {"verbosity": "low"}}),
        Probe("`max_output_tokens`", {"max_output_tokens": 321}, marks=("321",)),
        Probe("`temperature`", {"temperature": 0.25}, marks=("0.25",)),
        Probe("`top_p`", {"top_p": 0.75}, marks=("0.75",)),
        Probe("penalties", {"presence_penalty": 0.125, "frequency_penalty": 0.375}, marks=("0.125", "0.375")),
        Probe("`top_logprobs`", {"top_logprobs": 3, "include": ["message.output_text.logprobs"]}),
        Probe("truncation", {"truncation": "auto"}),
    ],
    "Reasoning": [
        *map(effort, ("none", "minimal", "low", "medium", "high", "xhigh", "max")),
        Probe(
            "summary",
            {"reasoning": {"effort": "high", "summary": "auto"}},
            {"reasoning": {"effort": "high"}},
            unsaid=True,
        ),
    ],
    "Prompt caching": [
        Probe("marker on a part", marked(**MARKER), marked()),
        Probe("for an hour", marked(**MARKER, ttl="1h"), marked(), ("1h",)),
        Probe("on a tool", {"tools": [{**WEATHER, "cache_control": MARKER}]}, {"tools": [WEATHER]}),
        Probe("on everything", {"cache_control": MARKER}),
        Probe("`prompt_cache_key`", {"prompt_cache_key": "mark-key"}, marks=("mark-key",)),
        Probe("retention", {"prompt_cache_retention": "24h"}, marks=("24h",)),
    ],
    "About the request": [
        Probe("metadata", {"metadata": {"team": "mark-team"}}, marks=("mark-team",), unsaid=True),
        Probe("`user`", {"user": "mark-user"}, marks=("mark-user",)),
        Probe("`safety_identifier`", {"safety_identifier": "mark-safe"}, marks=("mark-safe",)),
        Probe("`service_tier`", {"service_tier": "flex"}, marks=("flex",)),
        Probe("unknown fields", {"brand_new": "mark-new"}, marks=("mark-new",)),
    ],
}
