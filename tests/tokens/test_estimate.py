"""Prompt sizes without a tokenizer: leaning upwards, cheap, and never failing."""

import base64
import time

import msgspec
import pytest

from services.tokens.estimate import prompt_tokens
from services.tokens.media import image_tokens
from services.vocabulary.call import (
    Call,
    File,
    Format,
    FunctionTool,
    Hosted,
    Image,
    Item,
    Message,
    Opaque,
    Part,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolResult,
    WebSearchTool,
)

PROSE = (
    "The quick brown fox jumps over the lazy dog, and nobody in the village is surprised at all. "  # 20 tokens of o200k
)
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (900).to_bytes(4) + (750).to_bytes(4) + b"\x08\x06\0\0\0"
).decode()
JPEG = base64.b64encode(
    b"\xff\xd8\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\x00\x11\x08"
    + (300).to_bytes(2)
    + (1000).to_bytes(2)
    + b"\x03" * 12
).decode()


def call(*items: Item, model: str = "openai/gpt-5.2", **more: object) -> Call:
    return msgspec.structs.replace(Call(model=model, items=list(items)), **more)


def user(*parts: Part) -> Item:
    return Message("user", list(parts))


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (call(user(Text("hi"))), 10, 25),
        (call(user(Text(PROSE * 100))), 2000, 3200),
        (call(user(Text("日本語の文章です。" * 100))), 700, 1600),
        (call(user(Text("Привет, как дела? " * 100))), 600, 1200),
        (call(user(Text("hi")), instructions=PROSE * 10), 200, 350),
        (call(ToolCall("c", "run", '{"command": "ls -l"}'), ToolResult("c", [Text("total 0")])), 30, 70),
        (call(user(Image("https://example.com/a.png"))), 1600, 1650),
        (call(user(Image("https://example.com/a.png", detail="low"))), 100, 130),
        (call(user(Image(f"data:image/png;base64,{PNG}"))), 900, 950),
        (call(user(File("data:text/plain;base64," + "QUFB" * 1000))), 850, 1100),
        (call(user(File(file_id="file-1"))), 3000, 3100),
        (call(Reasoning(["thought " * 10], [], Seal("x" * 600))), 100, 150),
        (call(Reasoning(["thought " * 10])), 20, 60),
        (call(Hosted("web_search_call", msgspec.Raw(b'{"type":"web_search_call","id":"ws_1"}'))), 10, 50),
        (call(user(Opaque("input_audio", msgspec.Raw(b'{"type":"input_audio"}')))), 10, 40),
        (call(user(Text("hi")), tools=[WebSearchTool()]), 400, 520),
        (call(user(Text("hi")), format=Format("json_schema", "a", msgspec.Raw(b'{"type":"object"}'))), 30, 70),
    ],
)
def test_an_estimate_is_near_and_rather_above(asked: Call, least: int, most: int):
    """Bounds from counting these prompts with tokenizers and from the providers' price pages."""
    assert least <= prompt_tokens(asked) <= most


def test_a_model_that_is_told_much_about_tools_counts_for_more():
    """Anthropic adds hundreds of tokens where there are tools, OpenAI a handful."""
    tool = FunctionTool("get_weather", "Looks out of the window.", msgspec.Raw(b'{"type":"object","properties":{}}'))
    asked = call(user(Text("hi")), tools=[tool])
    assert prompt_tokens(asked, "claude-opus-4-8") > 400 > prompt_tokens(asked, "gpt-5.2")
    assert prompt_tokens(msgspec.structs.replace(asked, model="anthropic/claude-opus-4-8")) > 400


@pytest.mark.parametrize(
    ("url", "tokens"),
    [
        (f"data:image/png;base64,{PNG}", 900),
        (f"data:image/jpeg;base64,{JPEG}", 400),
        ("data:image/png;base64,iVBORw0KGgo", 1600),
        ("data:image/png;base64,????", 1600),
        ("data:image/webp;base64,UklGRg==", 1600),
        ("data:,", 1600),
        (None, 1600),
    ],
)
def test_images_count_by_their_size_where_it_can_be_read(url: str | None, tokens: int):
    """A broken image is some image."""
    assert image_tokens(url, "auto") == tokens


def test_no_text_makes_it_fail():
    """Not even half a surrogate pair, which JSON can hold."""
    assert prompt_tokens(call(user(Text("\ud83d and more")))) > 10


def test_a_long_conversation_is_estimated_in_no_time():
    """800 kB in 300 items: a few hundred microseconds, with room for a busy machine."""
    items = [user(Text(PROSE * 30)) for _ in range(300)]
    asked = call(*items)

    def cost() -> float:
        began = time.thread_time()
        assert prompt_tokens(asked) > 200_000
        return time.thread_time() - began

    assert min(cost() for _ in range(10)) < 0.02
