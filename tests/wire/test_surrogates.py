"""Halves of surrogate pairs are found and mended; nothing else is touched."""

import json

import pytest

from services.wire.surrogates import first_half, mended


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb'"a \ud83d b"', "a \ufffd b"),
        (rb'"\uDE00"', "\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'"\ud83d\n\ude00"', "\ufffd\n\ufffd"),
    ],
)
def test_a_half_becomes_the_replacement_character(data: bytes, text: str):
    """Each of them, on its own."""
    found = mended(data)
    assert found is not None
    assert json.loads(found) == text


@pytest.mark.parametrize("data", [b"", b'"a"', rb'"\ud83d\ude00"', rb'"\\ud83d"', rb'"\u00e9\n\\"', '"😀"'.encode()])
def test_what_is_whole_stays(data: bytes):
    """Pairs, other escapes, and text that only looks like an escape."""
    assert mended(data) is None
    assert first_half(data) is None


def test_the_first_half_is_found():
    """Counted in bytes."""
    assert first_half('"é \\ud83d"'.encode()) == 4
