"""A call as a Converse or ConverseStream request.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from urllib.parse import quote

import msgspec

from services.adapters.dialect import HttpRequest
from services.adapters.dialects.bedrock_converse.cache import keep_latest_cache_points
from services.adapters.dialects.bedrock_converse.families import Family, family
from services.adapters.dialects.bedrock_converse.losses import Losses, fields_without_place
from services.adapters.dialects.bedrock_converse.messages import Conversation
from services.adapters.dialects.bedrock_converse.options import inference, service, top_k
from services.adapters.dialects.bedrock_converse.thinking import decide
from services.adapters.dialects.bedrock_converse.tools import plan_tools
from services.catalog.schema import Target
from services.vocabulary.call import Call


def request(call: Call, target: Target) -> HttpRequest:
    """The whole request. Raises `InvalidRequest` for what cannot be carried and must not be lost."""
    model, losses = family(target), Losses()
    tools = plan_tools(call, model, target, losses)
    thinking = decide(call, model, target, losses, forced=tools.forced)
    system, messages = Conversation(model, losses).write(call, tools.notes)
    keep_latest_cache_points(tools.blocks, system, messages, losses)
    body: dict[str, object] = {"messages": messages}
    if system:
        body["system"] = system
    if config := inference(call, model, thinking, losses):
        body["inferenceConfig"] = config
    if tools.config is not None:
        body["toolConfig"] = tools.config
    if fields := {**thinking.fields, **top_k(call, model, thinking, losses), **tools.fields}:
        body["additionalModelRequestFields"] = fields
    if call.stop and model.name == "claude":
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]  # which one was met
    if output := _output(call, model):
        body["outputConfig"] = output
    body |= service(call, target, losses)
    fields_without_place(call, losses)
    return HttpRequest(
        path=_path(target.upstream, stream=call.stream),
        body=msgspec.json.encode(body),
        headers={
            "content-type": "application/json",
            "accept": "application/vnd.amazon.eventstream" if call.stream else "application/json",
        },
        losses=losses.all,
    )


def _path(upstream: str, *, stream: bool) -> str:
    """The model id is one path segment: the colons and slashes of ids and ARNs are escaped, once. The signature covers it so."""
    return f"/model/{quote(upstream, safe='')}/{'converse-stream' if stream else 'converse'}"


def _output(call: Call, model: Family) -> dict[str, object] | None:
    """`outputConfig`, where the model holds its text to a schema. The schema travels as a string, byte for byte."""
    asked = call.format
    if asked is None or asked.type != "json_schema" or asked.schema is None or not model.json_schema:
        return None
    definition = {"schema": bytes(asked.schema).decode()}
    if asked.name:
        definition["name"] = asked.name
    if asked.description:
        definition["description"] = asked.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
