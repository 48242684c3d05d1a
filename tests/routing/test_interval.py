"""The grammar of intervals."""

import pytest

from services.errors import InvalidRequest
from services.routing.interval import DEFAULT_S, parse

PARAM = "routing.provider.interval"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15 minutes", 900),
        ("15m", 900),
        ("15 m", 900),
        ("90 minutes", 5400),
        ("1h", 3600),
        ("1 hour", 3600),
        ("24h", 86_400),
        ("24 hours", 86_400),
        ("1 day", 86_400),
        ("7 d", 604_800),
        ("7d", 604_800),
        ("4w", 2_419_200),
        ("2 weeks", 1_209_600),
        ("1y", 31_536_000),
        ("1 year", 31_536_000),
        (" 15m ", 900),
    ],
)
def test_a_number_and_a_unit_are_seconds(text: str, seconds: int):
    """Long and short units, with or without a space, singular or plural."""
    assert parse(text, param=PARAM) == seconds


def test_the_default_is_written_as_fifteen_minutes():
    """What a request gets that names no interval."""
    assert parse("15 minutes", param=PARAM) == DEFAULT_S


@pytest.mark.parametrize("text", ["1m", "14m", "14 minutes", "0h", "0y"])
def test_less_than_fifteen_minutes_is_refused_as_too_short(text: str):
    """The message says what is wrong and what is right."""
    with pytest.raises(InvalidRequest, match=r"is shorter than 15 minutes.*`15m`") as error:
        parse(text, param=PARAM)
    assert error.value.param == PARAM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "15",
        "m",
        "minutes",
        "1.5h",
        "-15m",
        "15M",
        "15 min",
        "1 month",
        "15  m",
        "15m 1h",
        "\u0661\u0665m",
        "9" * 5000 + "m",
    ],
)
def test_anything_else_is_refused_with_the_right_forms(text: str):
    """The message lists units and examples, and is short whatever was sent."""
    with pytest.raises(InvalidRequest, match=r"is not an interval.*minutes \(m\), hours \(h\).*`4w`") as error:
        parse(text, param=PARAM)
    assert error.value.param == PARAM
    assert len(error.value.message) < 400
