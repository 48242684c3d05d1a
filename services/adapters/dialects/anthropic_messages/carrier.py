"""Who carries the format: Anthropic itself, Google's Vertex AI or Amazon Bedrock, and what each leaves out.

What a feature's page of https://platform.claude.com/docs says under "supported platforms" stands here.
"""

from typing import Final, Literal

import msgspec


class Carrier(msgspec.Struct, frozen=True):
    """version: the `anthropic_version` of the body; None where it is a header and the model stands in the body.

    stream_field: the body says `stream`. url_sources: images and documents by URL. stored_files: by the id of an upload.
    automatic_cache: `cache_control` of the whole request. web_search: Anthropic's own search. account_fields: `metadata`
    and `service_tier`, which belong to an account with Anthropic.
    """

    name: str
    version: str | None = None
    stream_field: bool = True
    url_sources: bool = True
    stored_files: bool = True
    automatic_cache: bool = True
    web_search: bool = True
    account_fields: bool = True
    betas: Literal["header", "body"] = "header"


ANTHROPIC: Final = Carrier("Anthropic")
# https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
VERTEX: Final = Carrier(
    "Google Vertex AI", version="vertex-2023-10-16", url_sources=False, stored_files=False, account_fields=False
)
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
BEDROCK: Final = Carrier(
    "Amazon Bedrock",
    version="bedrock-2023-05-31",
    stream_field=False,
    url_sources=False,
    stored_files=False,
    automatic_cache=False,
    web_search=False,
    account_fields=False,
    betas="body",
)
