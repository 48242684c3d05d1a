"""What a provider credential may hold: what the provider's row names, and nothing that reaches into the gateway's machine."""

import json

import pytest

from services.byok.values import checked, mask_of, variables_of
from services.catalog.reading import read
from services.errors import InvalidRequest

ROWS = {row.id: row for row in read().providers}
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": "k",
        "client_email": "e",
    }
)


@pytest.mark.parametrize(
    ("provider", "secret", "values", "masked"),
    [
        ("openai", "sk-proj-0123456789abcd", {}, "...abcd"),
        ("openai", "sk-proj-0123456789abcd", {"OPENAI_PROJECT_ID": "proj_1"}, "...abcd"),
        ("anthropic", None, {"ANTHROPIC_API_KEY": "sk-ant-0123456789wxyz"}, "...wxyz"),
        ("azure", "0123456789abcdef", {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}, "...cdef"),
        ("vertex", ACCOUNT, {"GOOGLE_CLOUD_PROJECT": "mine", "GOOGLE_CLOUD_LOCATION": "us-central1"}, "..."),
        (
            "bedrock",
            None,
            {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "s" * 40, "AWS_REGION": "eu-west-1"},
            "...",
        ),
        ("bedrock", "bedrock-api-key-0123456789", {}, "...6789"),
        ("cloudflare", "0123456789abcdefgh", {"CLOUDFLARE_ACCOUNT_ID": "0123456789"}, "...efgh"),
    ],
)
def test_what_is_right(provider, secret, values, masked):
    """Each provider with what it needs; the mask shows no more than four characters of a long secret."""
    row = ROWS[provider]
    given = checked(row, secret, values)
    assert set(given) <= set(variables_of(row))
    assert mask_of(row, given) == masked


@pytest.mark.parametrize(
    ("provider", "secret", "values", "said"),
    [
        ("openai", None, {}, "needs OPENAI_API_KEY"),
        ("openai", "k" * 20, {"OPENAI_BASE_URL": "http://169.254.169.254"}, "knows no `OPENAI_BASE_URL`"),
        ("openai", "two words", {}, "without spaces"),
        ("openai", "line\nbreak", {}, "printable"),
        ("sandbox", "x", {}, "takes no credentials"),
        ("azure", "k" * 20, {"AZURE_OPENAI_ENDPOINT": "http://localhost:8080"}, "must look like"),
        ("azure", "k" * 20, {"AZURE_OPENAI_ENDPOINT": "https://evil.example/azure.com"}, "must look like"),
        ("azure", "k" * 20, {"AZURE_OPENAI_ENDPOINT": "https://azure.com@evil.example"}, "must look like"),
        ("vertex", None, {"GOOGLE_APPLICATION_CREDENTIALS": "/etc/passwd"}, "knows no"),
        ("vertex", "{}", {"GOOGLE_CLOUD_PROJECT": "mine"}, "must be a service account's key"),
        (
            "vertex",
            ACCOUNT.replace("oauth2.googleapis.com", "evil.example"),
            {"GOOGLE_CLOUD_PROJECT": "p"},
            "token_uri",
        ),
        ("vertex", "not json", {"GOOGLE_CLOUD_PROJECT": "p"}, "JSON text"),
        ("vertex", ACCOUNT, {}, "needs `GOOGLE_CLOUD_PROJECT`"),
        ("vertex", ACCOUNT, {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "x/../y"}, "cannot hold"),
        ("vertex", ACCOUNT, {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "evil.example/"}, "cannot hold"),
        ("bedrock", None, {"AWS_ACCESS_KEY_ID": "AKIA"}, "AWS_SECRET_ACCESS_KEY"),
        ("bedrock", "k" * 20, {"AWS_REGION": "evil.example/x"}, "cannot hold"),
        ("bedrock", "k" * 20, {"AWS_PROFILE": "default"}, "knows no"),
        ("cloudflare", "k" * 20, {}, "needs `CLOUDFLARE_ACCOUNT_ID`"),
    ],
)
def test_what_is_wrong(provider, secret, values, said):
    """Addresses and files of the gateway's own, other kinds of Google credentials, and what would break a header."""
    with pytest.raises(InvalidRequest, match=said):
        checked(ROWS[provider], secret, values)
