"""Single entries of `toolConfig.tools`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html
"""

from typing import Final

import msgspec

from services.adapters.dialects import emulated
from services.adapters.dialects.bedrock_converse.families import Family
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.adapters.dialects.bedrock_converse.names import tool_name
from services.errors import InvalidRequest
from services.vocabulary.call import CustomTool, FunctionTool, WebSearchTool

Block = dict[str, object]

GROUNDING: Final = "nova_grounding"
ANY_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object"}')


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def spec(name: str, description: str | None, schema: msgspec.Raw, *, strict: bool = False) -> Block:
    """A `toolSpec`. An empty description is refused, so it is left out."""
    fields: dict[str, object] = {"name": name}
    if description:
        fields["description"] = description
    fields["inputSchema"] = {"json": schema}
    if strict:
        fields["strict"] = True
    return {"toolSpec": fields}


def function(tool: FunctionTool, path: str, model: Family, losses: Losses) -> Block:
    """A function of the client's, its schema byte for byte."""
    schema = (
        object_schema(tool.parameters, f"{path}.parameters") if tool.parameters is not None else emulated.NO_PARAMETERS
    )
    strict = bool(tool.strict) and model.json_schema
    if tool.strict and not strict:
        losses.add(f"{path}.strict", "dropped", "The model does not hold tool calls to their schema.")
    return spec(tool_name(tool.name), tool.description, schema, strict=strict)


def custom(tool: CustomTool, path: str, losses: Losses) -> Block:
    """A free-text tool as a function with one string. Its grammar is told in words: nothing holds the model to it."""
    rule = emulated.grammar(tool, path)
    losses.add(path, "emulated", "Offered as a function with one string, `input`.")
    if rule.type == "grammar":
        losses.add(f"{path}.format", "emulated", "The grammar is told to the model in words.")
    shown = emulated.as_function(tool, rule)
    assert shown.parameters is not None
    return spec(tool_name(shown.name), shown.description, shown.parameters)


def grounding(tool: WebSearchTool, path: str, model: Family, losses: Losses) -> Block:
    """Nova's web search, the only one Converse has. https://docs.aws.amazon.com/nova/latest/nova2-userguide/web-grounding.html."""
    if not model.grounding:
        raise InvalidRequest(f"This model has no web search here (at {path}.type).", param=f"{path}.type")
    if tool.allowed_domains or tool.blocked_domains:
        raise InvalidRequest(f"Nova's web search takes no domain filters (at {path}.filters).", param=f"{path}.filters")
    if tool.context_size is not None:
        losses.add(f"{path}.search_context_size", "dropped", "Nova's web search has no such setting.")
    if tool.location is not None:
        losses.add(f"{path}.user_location", "dropped", "Nova's web search has no such setting.")
    return {"systemTool": {"name": GROUNDING}}


def object_schema(schema: msgspec.Raw, param: str) -> msgspec.Raw:
    """The client's bytes; `type` is added where it is missing, because Converse insists on an object."""
    try:
        fields = _object.decode(schema)
    except msgspec.MsgspecError:
        raise InvalidRequest(f"Expected a JSON schema of an object (at {param}).", param=param) from None
    kind = bytes(fields.get("type", b"")).strip()
    if kind == b'"object"':
        return schema
    if kind:
        raise InvalidRequest(f"This provider takes only schemas of type object (at {param}).", param=f"{param}.type")
    return msgspec.Raw(msgspec.json.encode({"type": "object", **fields}))
