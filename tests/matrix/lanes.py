"""The lanes of the page: every wire format that a provider row names, each with a model that can do much."""

from typing import Final, NamedTuple

from services.catalog.catalog import load
from services.catalog.schema import Target

# (provider/model, what the column is called). Several for a format whose models differ in what they take.
MODELS: Final = (
    ("openai/gpt-6.2-sol", "openai"),
    ("openai/gpt-4o-search-preview", "openai chat"),
    ("azure/gpt-6.2-sol", "azure"),
    ("azure/claude-sonnet-5-5", "azure Claude"),
    ("azure/grok-4.7", "azure others"),
    ("anthropic/claude-sonnet-5-5", "anthropic"),
    ("vertex/gemini-3.8-flash", "vertex"),
    ("vertex/claude-sonnet-5-5", "vertex Claude"),
    ("vertex/llama-4-maverick", "vertex others"),
    ("gemini/gemini-3.8-flash", "gemini"),
    ("bedrock/claude-sonnet-5-5", "bedrock Claude"),
    ("bedrock/amazon.nova-2-lite-v1:0", "bedrock Nova"),
    ("bedrock/gpt-oss-120b", "bedrock others"),
    ("xai/grok-4.7", "xai"),
    ("cohere/command-a-plus-05-2026", "cohere"),
    ("mistral/mistral-medium-3.5", "mistral"),
    ("cloudflare/kimi-k2.6", "cloudflare"),
    ("cloudflare/gpt-oss-120b", "cloudflare gpt-oss"),
    ("huggingface/kimi-k2.6", "huggingface"),
)


class Lane(NamedTuple):
    """A row of the tables. name: for people; target: the model that is asked."""

    name: str
    target: Target


def lanes() -> list[Lane]:
    """All of them, in the order of the page."""
    catalog = load()
    return [Lane(name, catalog.resolve(model, unlisted=True)[0]) for model, name in MODELS]
