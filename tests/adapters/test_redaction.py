"""What of a provider's words is taken out, and what stays."""

import time

import pytest

from services.adapters.redaction import MESSAGE_MAX, REDACTED, clean

KEY = "sk-proj-canary8Y2hsQm4vTzq7X"
PLAIN = "canarymistralF6d1Zh8K"
SECRETS = [KEY, PLAIN, "http://gpu.within:8000/v1", "gpu.within:8000"]


@pytest.mark.parametrize(
    "words",
    [
        f"Incorrect API key provided: {KEY}.",
        f"The key {PLAIN} is wrong",
        "sk-…zq7X", "sk-...zq7X", "sk-proj-****************zq7X", "****Zh8K", "••••Zh8K", "canary***", "cana…Zh8K",
        "canarXXXXXXXXZh8K", "ca########8K", "ending in Zh8K", "which ends with 'zq7X'", '"sk-\\u2026zq7X"',
        "no connection to http://gpu.within:8000/v1/chat", "gpu.within:8000 is down", "http://10.0.0.7:9000/x refused",
        f"cut in the middle of {KEY[:12]}", f"cut in the middle of {PLAIN[:7]}",
        "another key: sk-ant-api03-abcdefgh", "account 123456789012", "token ya29.a0AfB_byCdEfGhIjK",
        "Bearer abcdefgh12345678", "x-amz-security-token:IQoJb3JpZ2luX2VjEPj", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ.c2ln",
    ],
)  # fmt: skip
def test_what_is_private_is_taken_out(words: str):
    """Credentials whole, masked and cut; addresses within; what looks like a credential of anybody's."""
    shown = clean(words, SECRETS)
    assert REDACTED in shown
    for part in ("zq7X", "Zh8K", "canar", "gpu.within", "10.0.0.7", "abcdefgh", "123456789012", "IQoJ", "eyJ"):
        assert part not in shown


@pytest.mark.parametrize(
    "words",
    [
        "**Bold** and `code`, a list of ... things, 5 * 3 = 15, and so on…",
        "max_tokens: 8193 > 8192, which is the maximum for claude-3-5-haiku",
        "Unsupported value: 'temperature' does not support 0.2 with this model. See https://platform.openai.com/docs",
        "The string ends with a quote; names ending in tion are nouns",
        "messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_01XXXXXXXXabc",
        "must begin with http",
    ],
)
def test_ordinary_words_stay(words: str):
    """Stars, dots and endings that are of no credential."""
    assert clean(words, SECRETS) == words


def test_a_long_text_is_cut_and_costs_little():
    """A megabyte of anything is no trouble."""
    for filler in ("a", "*", "a*", "ending in ", "sk-", "x", "\\u2026"):
        started = time.thread_time()
        assert len(clean(filler * (1_000_000 // len(filler)), SECRETS)) <= MESSAGE_MAX
        assert time.thread_time() - started < 0.2


def test_a_key_is_not_shown_in_part_where_the_text_is_cut():
    """Wherever the border falls."""
    for start in range(MESSAGE_MAX - len(KEY) - 2, MESSAGE_MAX + 2):
        assert "sk-p" not in clean("." * start + KEY + " is wrong", SECRETS)
