"""Settings: read once, checked by name, documented."""

from pathlib import Path

import pytest

from services.runtime.settings import Settings, SettingsError, read


def test_nothing_set_gives_the_defaults():
    """An empty environment, and variables set to nothing."""
    assert read({}) == Settings()
    assert read({"PORT": "", "WORKERS": " ", "TLS_CERT_FILE": ""}).port == 8080


def test_values_have_the_type_of_their_field():
    """Numbers, paths, choices in any case, and secrets."""
    found = read(
        {"PORT": "81", "DRAIN_SECONDS": "0.5", "CONCENTRATE_DATA_DIR": "x", "CONCENTRATE_UNLISTED_MODELS": "Allow"}
    )
    assert (found.port, found.drain_seconds, found.data_dir, found.unlisted_models) == (81, 0.5, Path("x"), "allow")


def test_a_secret_does_not_print():
    """Neither alone nor as part of the tree; nor do the variables of the providers."""
    found = read({"CONCENTRATE_BOOTSTRAP_KEY": "sk-cn-v1-x", "OPENAI_API_KEY": "canary"})
    assert found.bootstrap_key is not None
    assert found.bootstrap_key.reveal() == "sk-cn-v1-x"
    assert "sk-cn" not in f"{found.bootstrap_key} {found!r}"
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("CONCENTRATE_HOST", "localhost"),
        ("WORKERS", "0"),
        ("PING_SECONDS", "20"),
        ("DRAIN_SECONDS", "nan"),
        ("UPSTREAM_IDLE_SECONDS", "-1"),
        ("CONCENTRATE_UNLISTED_MODELS", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("TLS_CERT_FILE", "no/such.pem"),
        ("TLS_KEY_FILE", __file__),
        ("CONCENTRATE_CONFIG", "no/such.yaml"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(variable: str, value: str):
    """The message names the variable."""
    with pytest.raises(SettingsError, match=variable):
        read({variable: value})
