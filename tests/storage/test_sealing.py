"""Content at rest."""

import base64

import pytest

from services.storage.sealing import Sealer, Unsealable, keys_of

OLD, NEW = b"o" * 32, b"n" * 32


def test_without_a_key_content_stays_as_it_is():
    """And can be read by whoever gets a key later."""
    kept = Sealer().seal(b"content", "row")
    assert Sealer().open(kept, "row") == Sealer([NEW]).open(kept, "row") == b"content"


def test_with_a_key_content_is_sealed():
    """Each time anew, so equal contents do not look equal."""
    sealer = Sealer([NEW])
    first, second = sealer.seal(b"content", "row"), sealer.seal(b"content", "row")
    assert b"content" not in first + second
    assert first != second
    assert sealer.open(first, "row") == b"content"


def test_keys_can_be_changed():
    """The first seals, all open."""
    kept = Sealer([OLD]).seal(b"content", "row")
    assert Sealer([NEW, OLD]).open(kept, "row") == b"content"
    with pytest.raises(Unsealable, match="not configured"):
        Sealer([NEW]).open(kept, "row")


def test_content_opens_only_where_it_was_put():
    """Neither moved to another row nor altered."""
    sealer = Sealer([NEW])
    kept = sealer.seal(b"content", "row 1")
    for altered, about in ((kept, "row 2"), (kept[:-1] + b"\0", "row 1"), (kept[:20], "row 1")):
        with pytest.raises(Unsealable):
            sealer.open(altered, about)


def test_keys_are_32_bytes_in_base64():
    """Anything else is said at the start."""
    text = base64.b64encode(NEW).decode()
    assert keys_of(f"{text}, {base64.b64encode(OLD).decode()}") == [NEW, OLD]
    for wrong in ("x", text[:-4], "=" + text):
        with pytest.raises(ValueError, match="32 bytes"):
            keys_of(wrong)
