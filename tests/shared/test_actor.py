"""The official OpenAI SDK against every provider's strict fake: what a client asks works, and what goes out is accepted."""

import base64

import openai
import pytest
from pydantic import BaseModel

from tests.talking import MODELS, TIME, WEATHER, Talk, arguments, calls, dialect, lost, only, unlisted

every = pytest.mark.parametrize("model", MODELS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

DATA = base64.b64encode(b"not really a picture").decode()
IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"}
PDF = {"type": "input_file", "filename": "page.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}
NO_PDF = ("azure/grok", "vertex/meta", "cohere/", "cloudflare/", "huggingface/")  # formats without a place for them
BLIND = ("bedrock/openai", "cohere/", "huggingface/")  # text models, as the catalogue knows


class City(BaseModel):
    city: str
    temp: int


SCHEMA = City.model_json_schema() | {"additionalProperties": False}
FORMAT = {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}}

# ---- text ------------------------------------------------------------------------------------------------------------


@every
@both
def test_text_instructions_and_usage(sdk, upstream, model, stream):
    """Plain text comes back, instructions arrive, tokens are counted, nothing is lost."""
    text = "Hello there" if stream else "Hello again"
    answer = Talk(sdk, instructions="Answer like a pirate.").say(model, text, stream=stream)
    assert answer.output_text == f"You said: {text}"
    assert answer.status == "completed"
    assert answer.model.partition("/")[0] == model.partition("/")[0]
    assert answer.usage.input_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert "Answer like a pirate." in upstream.strings()
    assert lost(answer) == {}


@every
def test_a_stream_says_the_same_in_pieces(sdk, upstream, model):
    """The deltas add up to the text of the last event, there are several, and no number is missing."""
    with sdk.responses.create(model=model, input="LONG 30", stream=True, store=False) as stream:
        events = list(stream)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 5
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "".join(deltas) == " ".join(f"word{n}" for n in range(1, 31))
    assert [event.sequence_number for event in events] == list(range(len(events)))


@every
def test_images_and_documents(sdk, upstream, model):
    """Their bytes arrive, or the request is refused by name."""
    for part, refusing in ((IMAGE, BLIND), (PDF, NO_PDF + BLIND)):
        content = [{"type": "input_text", "text": "Look"}, part]
        try:
            asked = [{"role": "user", "content": content}]
            answer = sdk.responses.create(model=model, input=asked, store=False, extra_body=only(model))
        except openai.BadRequestError as error:
            assert model.startswith(refusing)
            assert error.param == "input[0].content[1]"
        else:
            assert not model.startswith(refusing)
            assert answer.output_text == "You said: Look"
            assert any(DATA in text for text in upstream.strings())


# ---- tools -----------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", []),
        ("none", []),
        ("required", ["get_weather"]),
        ({"type": "function", "name": "get_time"}, ["get_time"]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]},
            ["get_time"],
        ),
    ],
    ids=["auto", "none", "required", "named", "allowed"],
)
def test_all_five_tool_choices(sdk, upstream, model, choice, called):
    """May, must not, must, must this one, only these."""
    answer = Talk(sdk, tools=[WEATHER, TIME], tool_choice=choice).say(model, "Hello")
    assert [call.name for call in calls(answer)] == called


@every
@both
def test_parallel_tools_and_their_results(sdk, upstream, model, stream):
    """Two calls with arguments of their own; both results arrive in order and are quoted."""
    talk = Talk(sdk, tools=[WEATHER, TIME])
    asked = talk.say(model, "PARALLEL get_weather and get_time please, in Oslo", stream=stream)
    assert [call.name for call in calls(asked)] == ["get_weather", "get_time"]
    assert [list(given) for given in arguments(asked)] == [["city"], ["zone"]]
    assert arguments(asked)[0] == {"city": "Oslo"}
    assert len({call.call_id for call in calls(asked)}) == 2
    answer = talk.report(model, asked, "result", stream=stream)
    assert answer.output_text == 'The tool answered: "result 0" and "result 1"'


@every
def test_one_call_at_a_time(sdk, upstream, model):
    """`parallel_tool_calls: false` reaches the model, or the answer says that it did not."""
    answer = Talk(sdk, tools=[WEATHER], parallel_tool_calls=False).say(model, "PARALLEL TOOLPLEASE in Oslo")
    fields = upstream.requests()[-1]["body"].get("additionalModelRequestFields", {})  # the fake does not read these
    told = fields.get("tool_choice", {}).get("disable_parallel_tool_use")
    assert len(calls(answer)) == 1 or told or "parallel_tool_calls" in lost(answer)


# ---- structured output -----------------------------------------------------------------------------------------------


@every
@both
def test_structured_output(sdk, upstream, model, stream):
    """`responses.parse` gives an instance of the class."""
    asked = {"model": model, "input": "Paris 7", "text_format": City, "store": False}
    if stream:
        with sdk.responses.stream(**asked) as events:
            answer = events.get_final_response()
    else:
        answer = sdk.responses.parse(**asked)
    assert answer.output_parsed.temp == 7
    assert not calls(answer)


@every
@both
def test_structured_output_beside_tools(sdk, upstream, model, stream):
    """First the tool; then, with its result and no more calls allowed, the answer in its schema.

    Gemini 2.5 is asked for its schema in words beside tools, which is reported, and the fake does not follow words.
    """
    talk = Talk(sdk, tools=[WEATHER], text=FORMAT)
    asked = talk.say(model, "TOOLPLEASE in Oslo", stream=stream)
    assert arguments(asked) == [{"city": "Oslo"}]
    answer = talk.report(model, asked, "sunny", stream=stream, tool_choice="none")
    if model == "vertex/gemini-2.5-pro":
        assert lost(answer)["text.format"] == "emulated"
        assert any('"temp"' in text for text in upstream.strings())
    else:
        assert City.model_validate_json(answer.output_text)


# ---- endings ---------------------------------------------------------------------------------------------------------


@every
@both
def test_an_answer_cut_by_its_limit_is_incomplete(sdk, upstream, model, stream):
    """Stopped for length: incomplete, with the reason, and so is its last item."""
    answer = Talk(sdk).say(model, "MAXTOK LONG 20", stream=stream)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output[-1].status == "incomplete"
    assert answer.output_text.startswith("word1 word2")


@every
@both
def test_a_refusal_looks_like_none_of_the_rest(sdk, upstream, model, stream):
    """A refusal part, filtered content, the provider's own 400, or the plain words of a model that has nothing else."""
    if model == "azure/grok-4":
        with pytest.raises(openai.BadRequestError, match="content management policy"):
            Talk(sdk).say(model, "REFUSE", stream=stream)
        upstream.expected = upstream.refused()
        return
    answer = Talk(sdk).say(model, "REFUSE", stream=stream)
    parts = [part.type for item in answer.output if item.type == "message" for part in item.content]
    match dialect(model):
        case "gemini" | "bedrock_converse":
            assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "content_filter")
        case "openai_chat" | "cohere_chat":
            assert (answer.status, answer.output_text) == ("completed", "I cannot help with that.")
        case _:
            assert answer.status == "completed"
            assert "refusal" in parts


@every
@both
@pytest.mark.parametrize(("status", "ours"), [(400, 400), (401, 424), (429, 424), (503, 424)])
def test_errors_keep_whose_fault_they_are(sdk, upstream, model, stream, status, ours):
    """The caller's fault is a 400 in the provider's words, all else a 424; both name the model and no credential."""
    with pytest.raises(openai.APIStatusError) as caught:
        Talk(sdk).say(unlisted(model), f"FAIL {status}", stream=stream)
    assert caught.value.status_code == ours
    assert caught.value.body["model"].partition("/")[0] == model.partition("/")[0]
    assert "canary" not in str(caught.value).lower()
    upstream.expected = [f"The actor was told to fail with status {status}."]


@every
def test_an_answer_that_breaks_off_never_looks_complete(sdk, upstream, model):
    """The connection drops half-way: a 424, or events that end in a failure."""
    with pytest.raises(openai.APIStatusError) as caught:
        Talk(sdk).say(unlisted(model), "CUT 1 LONG 30")
    assert caught.value.status_code == 424
    seen = []
    with (
        sdk.responses.create(model=unlisted(model), input="CUT 5 LONG 30", stream=True, store=False) as stream,
        pytest.raises(openai.APIError),
    ):
        seen += (event.type for event in stream)
    assert "response.completed" not in seen
