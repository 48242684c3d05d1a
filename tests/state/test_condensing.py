"""What a summary may stand for: never a call without its result, never a rule, and nothing that is to be answered."""

import msgspec
import pytest

from services.responses.intake_items import read_items
from services.responses.state.condensing import in_conversation, parted, since_compaction

ITEMS = {
    "r": {"type": "message", "role": "developer", "content": "rule"},
    "u": {"type": "message", "role": "user", "content": "question"},
    "a": {"type": "message", "role": "assistant", "content": "answer"},
    "t": {"type": "reasoning", "summary": []},
    "1": {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    "2": {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
    "!": {"type": "function_call_output", "call_id": "c1", "output": "x"},
    "?": {"type": "function_call_output", "call_id": "c2", "output": "y"},
    "s": {"type": "compaction", "encrypted_content": "x"},
}


def raw(text: str) -> list[msgspec.Raw]:
    return [msgspec.Raw(msgspec.json.encode(ITEMS[letter])) for letter in text]


@pytest.mark.parametrize(
    ("conversation", "told", "kept"),
    [
        ("uau", "ua", "u"),
        ("ruau", "ua", "u"),
        ("raurau", "aua", "u"),
        ("su", "", ""),  # a summary of a summary is none
        ("u", "", ""),
        ("ruu", "u", "u"),
        ("ut1!", "", ""),
        ("ut1!t2?", "ut1!", "ut2?"),
        ("ut1!t2?a", "", ""),
        ("uaut12!?", "uau", "ut12!?"),
        ("u1u!", "u", "1u!"),
        ("uau1u!", "uau", "1u!"),
        ("sut1!t2?", "sut1!", "ut2?"),
        ("1!", "", ""),
    ],
)
def test_a_conversation_is_parted_where_nothing_is_torn(conversation: str, told: str, kept: str):
    """Letters stand for items: rules, messages of user and assistant, thoughts, calls 1 and 2, their results ! and ?."""
    given = raw(conversation.replace("s", "r"))
    parts = parted(read_items(given), raw(conversation))
    if not kept:
        assert parts is None
        return
    assert parts is not None
    assert "".join(conversation[n] for n in parts.told) == told
    assert "".join(conversation[n] for n in parts.kept) == kept
    assert all(conversation[n] == "r" for n in parts.ruling)


def letters(items: list[msgspec.Raw]) -> str:
    names = {bytes(msgspec.json.encode(item)): letter for letter, item in ITEMS.items()}
    return "".join(names[bytes(item)] for item in items)


def test_what_comes_before_a_summary_is_not_read_again():
    """But for the rules, and the messages that were compacted with it."""
    turns = since_compaction([raw("ru"), raw("a"), raw("sua"), raw("ra")])
    assert [letters(list(turn)) for turn in turns] == ["r", "sua", "ra"]
    assert since_compaction([raw("ua"), raw("ua")]) == [raw("ua"), raw("ua")]
    assert letters(in_conversation(raw("ruaruasuara"))) == "rrsuara"
    assert letters(in_conversation(raw("rauusua"))) == "ruusua"
    assert letters(in_conversation(raw("rua"))) == "rua"
