"""Which credential goes with which provider, and that none of it is shown."""

import pytest

from services.adapters.credentials import EnvironmentCredentials
from services.adapters.dialect import Kind, UpstreamError
from services.catalog.catalog import load
from services.catalog.environment import has_credentials
from services.catalog.schema import Provider

ENVIRONMENT = {
    "OPENAI_API_KEY": "canary-openai",
    "OPENAI_ORG_ID": "org-canary",
    "OPENAI_BASE_URL": "http://proxy.internal:9/openai/v1/",
    "ANTHROPIC_API_KEY": "canary-anthropic",
    "AZURE_OPENAI_API_KEY": "canary-azure",
    "AZURE_OPENAI_ENDPOINT": "https://canary-resource.openai.azure.com/",
    "GEMINI_API_KEY": "canary-gemini",
    "GOOGLE_CLOUD_PROJECT": "canary-project",
    "VERTEX_BASE_URL": "http://127.0.0.1:9/vertex",
    "VERTEX_ACCESS_TOKEN": "canary-vertex",
    "AWS_REGION": "us-east-1",
    "AWS_BEARER_TOKEN_BEDROCK": "canary-bedrock",
    "CLOUDFLARE_API_TOKEN": "canary-cloudflare",
    "CLOUDFLARE_ACCOUNT_ID": "canary-account",
    "HF_TOKEN": "canary-hf",
}


def credentials(**changes: str) -> EnvironmentCredentials:
    environment = {**ENVIRONMENT, **changes}
    return EnvironmentCredentials(load().configured(environment).providers, environment)


@pytest.mark.parametrize(
    ("id", "headers"),
    [
        ("openai", {"authorization": "Bearer canary-openai"}),
        ("anthropic", {"x-api-key": "canary-anthropic"}),
        ("azure", {"api-key": "canary-azure"}),
        ("gemini", {"x-goog-api-key": "canary-gemini"}),
        ("vertex", {"authorization": "Bearer canary-vertex"}),
        ("bedrock", {"authorization": "Bearer canary-bedrock"}),
        ("cloudflare", {"authorization": "Bearer canary-cloudflare"}),
        ("huggingface", {"authorization": "Bearer canary-hf"}),
        ("sandbox", {}),
    ],
)
async def test_each_provider_is_shown_its_own_credential(id: str, headers: dict[str, str]):
    """One header or none, as the provider wants it."""
    authorizer = credentials().for_provider(id)
    assert await authorizer.authorize("POST", "https://x/y", {}, b"{}") == headers


async def test_a_ready_token_wins_over_the_scheme():
    """An Entra token replaces the API key of Azure."""
    authorizer = credentials(AZURE_OPENAI_AD_TOKEN="canary-entra").for_provider("azure")
    assert await authorizer.authorize("POST", "", {}, b"") == {"authorization": "Bearer canary-entra"}


async def test_a_row_without_a_credential_needs_none():
    """A server of one's own that names no variable is asked as it is."""
    row = Provider("own", "Own", "openai_chat", "http://gpu:8000/v1")
    assert has_credentials(row, {})
    authorizer = EnvironmentCredentials({"own": row}, {}).for_provider("own")
    assert await authorizer.authorize("POST", "", {}, b"") == {}


def test_the_scope_names_the_credential_and_the_provider():
    """8 hex digits, the same every time, different for another key and for another provider with the same key."""
    scope = credentials().for_provider("openai").scope
    assert len(scope) == 8
    assert int(scope, 16) >= 0
    assert credentials().for_provider("openai").scope == scope
    assert credentials(OPENAI_API_KEY="other").for_provider("openai").scope != scope
    assert credentials(HF_TOKEN="canary-openai").for_provider("huggingface").scope != scope


@pytest.mark.parametrize(
    ("id", "secrets"),
    [
        ("openai", ["canary-openai", "http://proxy.internal:9/openai/v1", "proxy.internal:9", "org-canary"]),
        ("azure", ["canary-azure", "https://canary-resource.openai.azure.com", "canary-resource.openai.azure.com"]),
        ("cloudflare", ["canary-cloudflare", "canary-account"]),
        ("vertex", ["canary-vertex", "http://127.0.0.1:9/vertex", "canary-project", "127.0.0.1:9"]),
        ("anthropic", ["canary-anthropic"]),
    ],
)
def test_secrets_are_all_that_must_not_be_shown(id: str, secrets: list[str]):
    """The credential, account and project ids, and addresses the operator set; longest first, so that nothing is left."""
    assert list(credentials().for_provider(id).secrets) == secrets


def test_nothing_is_printed():
    """The repr of credentials and authorizers shows no value of the environment."""
    known = credentials()
    printed = repr([known, *(known.for_provider(id) for id in ("openai", "anthropic", "azure", "vertex"))])
    assert "canary" not in printed


def test_an_authorizer_is_made_once():
    """Tokens and connections of an authorizer are shared by all calls."""
    known = credentials()
    assert known.for_provider("openai") is known.for_provider("openai")


def test_a_provider_that_is_not_configured_has_none():
    """Asking for one is the operator's mistake, not the caller's."""
    with pytest.raises(UpstreamError) as error:
        credentials().for_provider("xai")
    assert error.value.kind is Kind.CREDENTIAL
