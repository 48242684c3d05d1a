"""What the Gemini dialect sends for a call, and what it says it could not send."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters.dialects.gemini import Gemini
from services.adapters.dialects.gemini.signatures import SKIP_VALIDATION
from services.catalog.schema import Facts, Provider, Target
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    File,
    Format,
    FunctionTool,
    Image,
    Item,
    Location,
    Message,
    Reasoning,
    ReasoningOptions,
    Seal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.event import Loss

SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"zeta":{"type":"string"},"alpha":{"type":"integer"}},"required":["zeta"]}'
)
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="


def target(model: str = "gemini-2.5-flash", facts: Facts | None = None, **quirks: Any) -> Target:
    row = Provider(
        id="gemini", name="Google AI Studio", dialect="gemini", base_url="http://upstream/v1beta", quirks=quirks
    )
    return Target(provider=row, dialect="gemini", model=model, upstream=model, facts=facts or Facts())


def user(*parts: str | Image | File) -> Message:
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def said(text: str) -> Message:
    return Message("assistant", [Text(text)])


def sent(call: Call, model: str = "gemini-2.5-flash", **kwargs: Any) -> tuple[dict[str, Any], list[Loss]]:
    request = Gemini().request(call, target(model, **kwargs))
    return json.loads(request.body), list(request.losses)


def ask(*items: Item, **fields: Any) -> Call:
    return Call(model="m", items=list(items) or [user("Hi")], **fields)


def lost(losses: list[Loss]) -> list[tuple[str, str]]:
    return [(loss.param, loss.action) for loss in losses]


# ---- where it goes ---------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_asked_of_generate_content():
    request = Gemini().request(ask(), target())
    assert (request.method, request.path, dict(request.query)) == (
        "POST",
        "/models/gemini-2.5-flash:generateContent",
        {},
    )
    assert request.headers == {"content-type": "application/json"}


def test_a_stream_is_asked_of_stream_generate_content_as_server_sent_events():
    request = Gemini().request(ask(stream=True), target())
    assert (request.path, dict(request.query)) == ("/models/gemini-2.5-flash:streamGenerateContent", {"alt": "sse"})


def test_a_model_id_cannot_leave_its_place_in_the_path():
    request = Gemini().request(ask(), target("../../x:countTokens?a"))
    assert request.path == "/models/..%2F..%2Fx%3AcountTokens%3Fa:generateContent"


# ---- texts and media -------------------------------------------------------------------------------------------------


def test_instructions_and_leading_system_messages_are_the_system_instruction_in_order():
    items = [Message("system", [Text("B")]), Message("developer", [Text("C")]), user("Hi")]
    body, losses = sent(ask(*items, instructions="A"))
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}, {"text": "C"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert losses == []


def test_a_later_developer_message_is_moved_to_the_front_and_reported():
    body, losses = sent(ask(user("Hi"), Message("developer", [Text("Be brief.")]), user("Go")))
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}, {"text": "Go"}]}]
    assert lost(losses) == [("input[1]", "moved")]


def test_an_image_in_a_system_message_is_refused():
    with pytest.raises(InvalidRequest) as error:
        sent(ask(Message("system", [Image(PNG)]), user("Hi")))
    assert error.value.param == "input[0].content[0]"


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Image(PNG), {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
        (File(PDF, filename="a.pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}}),
        (
            Image("https://a.b/c.webp?d=e.gif"),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://a.b/c.webp?d=e.gif"}},
        ),
        (Image("https://a.b/c"), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.b/c"}}),
        (File("https://a.b/c"), {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a.b/c"}}),
        (File("https://a.b/c", filename="n.CSV"), {"fileData": {"mimeType": "text/csv", "fileUri": "https://a.b/c"}}),
    ],
)
def test_media_travel_as_bytes_or_by_url(part: Image | File, written: dict[str, Any]):
    body, losses = sent(ask(user("See", part)))
    assert body["contents"][0]["parts"] == [{"text": "See"}, written]
    assert losses == []


@pytest.mark.parametrize("part", [Image(file_id="file-1"), File(file_id="file-1")])
def test_a_file_of_another_provider_is_refused_by_name(part: Image | File):
    with pytest.raises(InvalidRequest) as error:
        sent(ask(user(part)))
    assert error.value.param == "input[0].content[0].file_id"


def test_the_detail_of_an_image_is_reported_as_lost():
    _, losses = sent(ask(user(Image(PNG, detail="high"), Image(PNG, detail="auto"))))
    assert lost(losses) == [("input[0].content[0].detail", "dropped")]


def test_an_empty_text_is_left_out_and_an_empty_conversation_refused():
    body, _ = sent(ask(user("", "Hi")))
    assert body["contents"][0]["parts"] == [{"text": "Hi"}]
    with pytest.raises(InvalidRequest) as error:
        sent(ask(Message("system", [Text("x")])))
    assert error.value.param == "input"


# ---- calls and results -----------------------------------------------------------------------------------------------


def test_parallel_calls_are_one_turn_and_their_results_another_in_the_order_of_the_calls():
    items = [
        user("Weather?"),
        ToolCall("c1", "weather", '{"city": "Paris", "id": 9007199254740993}'),
        ToolCall("c2", "weather", ""),
        ToolResult("c2", [Text("rain")], is_error=True),
        ToolResult("c1", [Text('{"b":1,"a":2}')]),
        said("Sun."),
    ]
    request = Gemini().request(ask(*items), target())
    body = json.loads(request.body)
    assert b'"args":{"city": "Paris", "id": 9007199254740993}' in request.body
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user", "model"]
    assert [part["functionCall"]["id"] for part in body["contents"][1]["parts"]] == ["c1", "c2"]
    assert body["contents"][1]["parts"][1]["functionCall"]["args"] == {}
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "weather", "response": {"output": '{"b":1,"a":2}'}}},
        {"functionResponse": {"id": "c2", "name": "weather", "response": {"error": "rain"}}},
    ]
    assert request.losses == []


def test_a_result_that_comes_late_goes_beside_the_others():
    items = [user("Go"), ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}"), ToolResult("c1", [Text("1")])]
    body, _ = sent(ask(*items, user("Wait"), ToolResult("c2", [Text("2")])))
    assert [len(content["parts"]) for content in body["contents"]] == [1, 2, 2, 1]


def test_a_call_id_used_again_in_a_later_turn_finds_its_own_result():
    step = [ToolCall("c", "f", "{}"), ToolResult("c", [Text("r")])]
    body, _ = sent(ask(user("Go"), *step, *step))
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user", "model", "user"]


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([user("Go"), ToolResult("c9", [Text("r")])], "input[1].call_id"),
        ([user("Go"), ToolCall("c1", "f", "{}"), user("and?")], "input[1]"),
        ([user("Go"), ToolCall("c1", "f", "{}"), ToolCall("c1", "f", "{}")], "input[2].call_id"),
    ],
)
def test_calls_and_results_that_do_not_pair_are_refused(items: list[Item], param: str):
    with pytest.raises(InvalidRequest) as error:
        sent(ask(*items))
    assert error.value.param == param


def test_arguments_that_are_no_object_travel_as_text_and_are_reported():
    items = [user("Go"), ToolCall("c", "f", '{"city": "Par'), ToolResult("c", [Text("r")])]
    body, losses = sent(ask(*items))
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"INVALID_JSON": '{"city": "Par'}
    assert lost(losses) == [("input[1].arguments", "changed")]


@pytest.mark.parametrize(
    ("model", "inside", "reported"),
    [("gemini-2.5-pro", False, [("input[2].output[1]", "moved")]), ("gemini-3-flash-preview", True, [])],
)
def test_media_in_a_result_stay_inside_where_the_model_takes_them(model: str, inside: bool, reported: list[Any]):
    items = [user("Go"), ToolCall("c", "shot", "{}"), ToolResult("c", [Text("here"), Image(PNG)])]
    body, losses = sent(ask(*items), model)
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    parts = body["contents"][2]["parts"]
    assert parts[0]["functionResponse"]["response"] == {"output": "here"}
    assert (parts[0]["functionResponse"].get("parts"), parts[1:]) == (([image], []) if inside else (None, [image]))
    assert lost(losses) == reported


# ---- signatures ------------------------------------------------------------------------------------------------------


def sealed(kind: str, blob: str = "SIG", *summary: str) -> Reasoning:
    return Reasoning(summary=list(summary), seal=Seal(blob, "gemini", "scope", kind))


@pytest.mark.parametrize(
    ("items", "parts"),
    [
        ([sealed("text"), said("Hi")], [{"text": "Hi", "thoughtSignature": "SIG"}]),
        ([said("Hi"), sealed("text_end")], [{"text": "Hi", "thoughtSignature": "SIG"}]),
        ([said("Hi"), sealed("empty")], [{"text": "Hi"}, {"text": "", "thoughtSignature": "SIG"}]),
        ([Reasoning(summary=["Hm."]), said("Hi"), sealed("text_end")], [{"text": "Hi", "thoughtSignature": "SIG"}]),
        (
            [sealed("thought", "SIG", "Hm."), said("Hi")],
            [{"text": "Hm.", "thought": True, "thoughtSignature": "SIG"}, {"text": "Hi"}],
        ),
    ],
)
def test_a_signature_goes_back_on_the_part_it_came_with(items: list[Item], parts: list[dict[str, Any]]):
    body, losses = sent(ask(user("Hello"), *items, user("And?")))
    assert body["contents"][1]["parts"] == parts
    assert losses == []


def test_each_step_keeps_its_own_signature_and_parallel_calls_only_the_first():
    items = [
        user("Go"),
        sealed("function_call", "S1", "Thinking."),
        ToolCall("a", "f", "{}"),
        ToolCall("b", "f", "{}"),
        ToolResult("a", [Text("1")]),
        ToolResult("b", [Text("2")]),
        sealed("function_call", "S2"),
        ToolCall("c", "f", "{}"),
        ToolResult("c", [Text("3")]),
    ]
    body, losses = sent(ask(*items), "gemini-3-pro-preview")
    signed = [[part.get("thoughtSignature") for part in content["parts"]] for content in body["contents"]]
    assert signed == [[None], ["S1", None], [None, None], ["S2"], [None]]
    assert losses == []


def test_gemini_3_gets_the_documented_stand_in_for_calls_of_other_models_since_the_last_question():
    step = [
        ToolCall("a", "f", "{}"),
        ToolCall("b", "f", "{}"),
        ToolResult("a", [Text("1")]),
        ToolResult("b", [Text("2")]),
    ]
    body, losses = sent(ask(user("Go"), *step, said("Done."), user("Again"), *step), "gemini-3-flash-preview")
    signed = [
        [part.get("thoughtSignature") for part in content["parts"] if "functionCall" in part]
        for content in body["contents"]
        if any("functionCall" in part for part in content["parts"])
    ]
    assert signed == [[None, None], [SKIP_VALIDATION, None]]
    assert losses == []
    assert SKIP_VALIDATION not in json.dumps(sent(ask(user("Go"), *step))[0])


@pytest.mark.parametrize(
    ("items", "params"),
    [
        ([Reasoning(summary=["Hm."]), said("Hi")], ["input[1]"]),
        ([Reasoning(seal=Seal("gAAAA")), said("Hi")], ["input[1]"]),
        ([sealed("function_call"), user("Never mind")], ["input[1]"]),
        ([Reasoning(), said("Hi")], []),
    ],
)
def test_reasoning_that_cannot_go_back_is_reported(items: list[Item], params: list[str]):
    body, losses = sent(ask(user("Hello"), *items, user("And?")))
    assert "thoughtSignature" not in json.dumps(body)
    assert [loss.param for loss in losses] == params


# ---- tools -----------------------------------------------------------------------------------------------------------

F = FunctionTool("f", "Does it.", SCHEMA)
G = FunctionTool("g")


def test_a_function_keeps_its_schema_byte_for_byte():
    request = Gemini().request(ask(tools=[F, G]), target())
    assert b'"parametersJsonSchema":' + bytes(SCHEMA) in request.body
    assert json.loads(request.body)["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "Does it.", "parametersJsonSchema": json.loads(bytes(SCHEMA))},
                {"name": "g"},
            ]
        }
    ]
    assert request.losses == []


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        (ToolChoice("auto"), None),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("required", name="g"), {"mode": "ANY", "allowedFunctionNames": ["g"]}),
        (ToolChoice("required", allowed=["f", "g"]), {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
        (ToolChoice("auto", allowed=["f"]), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice_in_all_its_modes(choice: ToolChoice | None, config: dict[str, Any] | None):
    body, losses = sent(ask(tools=[F, G], tool_choice=choice))
    assert body.get("toolConfig") == (None if config is None else {"functionCallingConfig": config})
    assert len(body["tools"][0]["functionDeclarations"]) == 2
    assert losses == []


def test_names_gemini_refuses_travel_changed_everywhere():
    tools = [FunctionTool("2-fast!"), FunctionTool("_2-fast_")]
    items = [user("Go"), ToolCall("c", "2-fast!", "{}"), ToolResult("c", [Text("r")])]
    body, losses = sent(ask(*items, tools=tools, tool_choice=ToolChoice("required", name="2-fast!")))
    assert [tool["name"] for tool in body["tools"][0]["functionDeclarations"]] == ["_2-fast__2", "_2-fast_"]
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == "_2-fast__2"
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == "_2-fast__2"
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["_2-fast__2"]
    assert lost(losses) == [("tools[0].name", "changed")]


def test_a_custom_tool_is_a_function_with_one_text_argument():
    tool = CustomTool(
        "patch", "Applies it.", msgspec.Raw(b'{"type":"grammar","syntax":"lark","definition":"start: /x/"}')
    )
    items = [user("Go"), ToolCall("c", "patch", "*** Begin", custom=True), ToolResult("c", [Text("ok")], custom=True)]
    body, losses = sent(ask(*items, tools=[tool]))
    declared = body["tools"][0]["functionDeclarations"][0]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert "start: /x/" in declared["description"]
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "*** Begin"}
    assert lost(losses) == [("tools[0]", "emulated")]


def test_strict_and_keywords_gemini_reads_over_are_reported():
    schema = msgspec.Raw(
        b'{"type":"object","properties":{"a":{"type":"string","pattern":"x"},"pattern":{"const":1}},"not":{}}'
    )
    _, losses = sent(ask(tools=[FunctionTool("f", None, schema, strict=True)]))
    assert lost(losses) == [("tools[0].parameters", "dropped"), ("tools[0].strict", "dropped")]
    assert "pattern, const, not" in losses[0].detail


def test_a_schema_deeper_than_anyone_reads_is_carried():
    deep = b'{"items":' * 900 + b"{}" + b"}" * 900
    assert deep in Gemini().request(ask(tools=[FunctionTool("f", None, msgspec.Raw(deep))]), target()).body


SEARCH = WebSearchTool()


@pytest.mark.parametrize(
    ("tools", "choice", "search", "params"),
    [
        ([SEARCH], None, True, []),
        ([SEARCH], ToolChoice("required", name="web_search"), True, ["tool_choice"]),
        ([SEARCH], ToolChoice("none"), False, []),
        ([F, SEARCH], None, False, ["tools[1]"]),
        ([F, SEARCH], ToolChoice("auto", allowed=["web_search"]), True, []),
        ([SEARCH, F], ToolChoice("auto", allowed=["web_search", "f"]), False, ["tools[0]"]),
    ],
)
def test_functions_win_over_search_unless_only_the_search_is_allowed(
    tools: Any, choice: Any, search: bool, params: list[str]
):
    body, losses = sent(ask(tools=tools, tool_choice=choice))
    assert (body.get("tools") == [{"googleSearch": {}}]) is search
    assert [loss.param for loss in losses] == params


def test_search_options_google_does_not_have_are_reported():
    tool = WebSearchTool("low", ["a.example"], ["b.example"], Location(country="FR"))
    _, losses = sent(ask(tools=[tool]))
    options = ["filters.blocked_domains", "filters.allowed_domains", "search_context_size", "user_location"]
    assert [loss.param for loss in losses] == [f"tools[0].{option}" for option in options]
    body, losses = sent(ask(tools=[WebSearchTool(blocked_domains=["b.example"])]), exclude_domains=True)
    assert (body["tools"], losses) == ([{"googleSearch": {"excludeDomains": ["b.example"]}}], [])


# ---- settings --------------------------------------------------------------------------------------------------------


def test_settings_have_their_names():
    call = ask(
        max_output_tokens=9,
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        seed=7,
        stop=["END"],
        presence_penalty=0.0,
        frequency_penalty=1.5,
        top_logprobs=2,
    )
    body, losses = sent(call)
    assert body["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 0.0,
        "topP": 0.5,
        "topK": 3,
        "seed": 7,
        "stopSequences": ["END"],
        "frequencyPenalty": 1.5,
        "responseLogprobs": True,
        "logprobs": 2,
    }
    assert losses == []
    assert sent(ask(include=["message.output_text.logprobs"]))[0]["generationConfig"] == {"responseLogprobs": True}


def test_a_call_that_asks_for_nothing_special_sends_only_the_conversation():
    assert sent(ask())[0] == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_json_output_is_native_with_the_schema_byte_for_byte():
    request = Gemini().request(ask(format=Format("json_schema", "answer", SCHEMA)), target())
    assert b'"responseMimeType":"application/json","responseJsonSchema":' + bytes(SCHEMA) in request.body
    assert request.losses == []
    assert sent(ask(format=Format("json_object")))[0]["generationConfig"] == {"responseMimeType": "application/json"}
    assert "generationConfig" not in sent(ask(format=Format("text")))[0]


@pytest.mark.parametrize(("model", "native"), [("gemini-2.5-flash", False), ("gemini-3-flash-preview", True)])
def test_json_output_beside_tools_is_asked_for_in_words_where_the_api_refuses_both(model: str, native: bool):
    body, losses = sent(ask(tools=[F], format=Format("json_schema", "answer", SCHEMA), instructions="A"), model)
    assert ("responseJsonSchema" in body.get("generationConfig", {})) is native
    assert (bytes(SCHEMA).decode() in body["systemInstruction"]["parts"][-1]["text"]) is not native
    assert lost(losses) == ([] if native else [("text.format", "emulated")])


@pytest.mark.parametrize(
    ("model", "facts", "options", "config", "changed"),
    [
        ("gemini-2.5-flash", None, ReasoningOptions("none"), {"thinkingBudget": 0}, False),
        ("gemini-2.5-flash", None, ReasoningOptions("none", "auto"), {"thinkingBudget": 0}, False),
        ("gemini-2.5-pro", None, ReasoningOptions("none"), {"thinkingBudget": 512}, True),
        (
            "gemini-2.5-flash",
            None,
            ReasoningOptions("low", "auto"),
            {"thinkingBudget": 2048, "includeThoughts": True},
            False,
        ),
        ("gemini-2.5-flash", None, ReasoningOptions("xhigh"), {"thinkingBudget": 24576}, True),
        ("gemini-2.5-pro", None, ReasoningOptions("high", budget_tokens=30000), {"thinkingBudget": 30000}, False),
        ("gemini-2.5-flash-lite", None, ReasoningOptions("low", budget_tokens=100), {"thinkingBudget": 512}, True),
        ("gemini-2.5-flash", None, ReasoningOptions(summary="auto"), {"includeThoughts": True}, False),
        ("gemini-2.5-flash", None, ReasoningOptions(summary="detailed"), {"includeThoughts": True}, True),
        ("gemini-3-flash-preview", None, ReasoningOptions("none"), {"thinkingLevel": "MINIMAL"}, True),
        ("gemini-3-pro-preview", None, ReasoningOptions("medium"), {"thinkingLevel": "HIGH"}, True),
        ("gemini-3.1-pro-preview", None, ReasoningOptions("medium"), {"thinkingLevel": "MEDIUM"}, False),
        ("gemini-3.1-pro-preview", None, ReasoningOptions("max"), {"thinkingLevel": "HIGH"}, True),
        ("gemini-4-ultra", ["low", "xhigh"], ReasoningOptions("high"), {"thinkingLevel": "XHIGH"}, True),
        ("gemini-flash-latest", None, ReasoningOptions("low"), {"thinkingLevel": "LOW"}, False),
        ("gemini-2.0-flash", None, ReasoningOptions("high"), None, True),
        ("gemini-2.0-flash", None, ReasoningOptions("none"), None, False),
        ("gemini-3-pro-image", [], ReasoningOptions("high"), None, True),
    ],
)
def test_effort_goes_to_the_nearest_the_model_has_first_up_then_down(
    model: str, facts: Any, options: Any, config: Any, changed: bool
):
    body, losses = sent(ask(reasoning=options), model, facts=Facts(efforts=facts))
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert bool(losses) is changed


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"truncation": "auto"}, "truncation"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"user": "u"}, "user"),
        ({"safety_identifier": "u"}, "safety_identifier"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
        ({"verbosity": "low"}, "text.verbosity"),
        ({"cache": Cache()}, "cache_control"),
        ({"items": [Message("user", [Text("Hi", Cache())])]}, "input[0].content[0].cache_control"),
        ({"tools": [FunctionTool("f", cache=Cache())]}, "tools[0].cache_control"),
    ],
)
def test_what_gemini_has_no_word_for_is_reported(fields: dict[str, Any], param: str):
    call = msgspec.structs.replace(ask(), **fields)
    assert lost(sent(call)[1]) == [(param, "dropped")]


def test_what_asks_for_the_usual_is_no_loss():
    call = ask(
        parallel_tool_calls=True,
        truncation="disabled",
        service_tier="auto",
        verbosity="medium",
        store=True,
        metadata={"a": "b"},
    )
    assert sent(call)[1] == []
