"""Descriptions of the chat surface's members, whose structs mirror no message.

Members that the Responses API has under the same name are described there.
"""

from typing import Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "ChatRequest": {
        "messages": "Holds the conversation, oldest first. Required unless `input` is given.",
        "stream_options": "Says what a stream shall hold.",
        "top_k": "Limits sampling to the most likely tokens, where the provider can.",
        "logit_bias": "Maps token ids to a bias from -100 to 100, where the provider has it.",
        "logprobs": "Asks for the log probabilities of the answer's tokens.",
        "top_logprobs": "Is how many likely tokens to report at each place. Needs `logprobs`.",
        "max_tokens": "Is the older name of `max_completion_tokens`.",
        "max_completion_tokens": "Limits the tokens that may be generated, reasoning included.",
        "n": "Is how many answers to give. More than one only where the provider has it, else an error.",
        "seed": "Asks for repeatable sampling, where the provider can.",
        "stop": "Holds one or more texts that end the answer.",
        "response_format": "Shapes the text of the answer.",
        "reasoning_effort": "Is how much to think. An effort the model lacks becomes the nearest it has.",
        "verbosity": "Is how long the answer shall be.",
        "tools": "Holds the tools that may be called. Forms of other APIs are read too.",
        "functions": "Is the older form of `tools`; calls are then answered as `function_call`.",
        "function_call": "Is the older form of `tool_choice`.",
        "web_search_options": "Asks for the provider's own web search.",
        "modalities": "Says what the answer shall be: text, or audio where the provider has it.",
        "audio": "Says how audio shall sound, where the provider has it.",
        "prediction": "Holds a text that much of the answer will repeat, where the provider has it.",
        "moderation": "Asks for moderation of prompt and answer, where the provider has it.",
        "input": "Takes the conversation as the Responses API has it, instead of `messages`.",
    },
    "ChatStreamOptions": {
        "include_usage": "Asks for a last chunk with the token counts.",
        "include_obfuscation": "Asks the provider to pad its chunks, where it does.",
    },
    "WebSearchOptions": {
        "search_context_size": "Is how much of what is found the model gets to read.",
        "user_location": "Is where the user roughly is.",
    },
    "SearchLocation": {"approximate": "Is where the user roughly is."},
    "ApproximateLocation": {
        "country": "Is the country, as ISO 3166-1 alpha-2.",
        "region": "Is the region.",
        "city": "Is the city.",
        "timezone": "Is the timezone, as IANA names it.",
    },
    "LegacyFunction": {
        "name": "Is what the model calls it.",
        "description": "Says what it does.",
        "parameters": "Is a JSON schema of its arguments.",
    },
    "LegacyChoice": {"name": "Is the function that must be called."},
    "ResponseFormatParam": {"json_schema": "Is the schema, for the type of that name."},
    "SchemaParam": {
        "name": "Is what the schema is called.",
        "schema": "Is the JSON schema.",
        "description": "Says what it is for.",
        "strict": "Says whether the answer must keep to it exactly.",
    },
    "ChatCompletion": {
        "id": "Is the answer's id: `chatcmpl-…`.",
        "created": "Is when it was begun, in Unix seconds.",
        "model": "Is the `provider/model` that served.",
        "choices": "Holds the answer; several of them only where `n` asked for more.",
        "usage": "Is what the provider counted, if it counts.",
        "service_tier": "Is the tier the provider served at.",
        "system_fingerprint": "Is the provider's mark of what it runs, if it gives one.",
        "cost": "Is what the answer costs; null where there is no price.",
        "routing": "Says how the provider was chosen.",
        "translation_losses": "Says what did not reach the provider as asked.",
    },
    "Choice": {
        "index": "Is which answer this is, from 0.",
        "message": "Is what the assistant said and called.",
        "logprobs": "Are the log probabilities of its tokens, if they were asked for.",
        "finish_reason": "Says why it ended.",
    },
    "AssistantMessage": {
        "content": "Is text. Null where the assistant only called tools.",
        "role": "Is always `assistant`.",
        "refusal": "Is what was said instead of an answer.",
        "annotations": "Holds the web pages the content cites.",
        "reasoning_content": "Is the readable reasoning.",
        "reasoning": "Is the same, under the other name that clients look for.",
        "reasoning_details": "Holds the reasoning piece by piece, to be sent back so that the model can go on with it.",
        "tool_calls": "Holds the calls of the client's tools.",
        "function_call": "Is the call, where `functions` asked for the older form.",
        "file_citations": "Holds the files the content cites.",
    },
    "ChatAnnotation": {"url_citation": "Is the page, and what it supports."},
    "PageCitation": {
        "url": "Is the page.",
        "title": "Is its title.",
        "start_index": "Is the first character it supports.",
        "end_index": "Is the character after the last one it supports.",
    },
    "FileReference": {
        "file_id": "Is the file.",
        "filename": "Is its name.",
        "start_index": "Is the first character it supports.",
        "end_index": "Is the character after the last one it supports.",
        "cited_text": "Is what it says there.",
    },
    "ReasoningDetail": {
        "id": "Is the reasoning item the piece belongs to.",
        "index": "Is the place among all pieces, from 0.",
        "text": "Is a piece of the reasoning itself.",
        "summary": "Is a part of a summary.",
        "data": "Is the opaque proof, for the provider that gave it.",
    },
    "ToolCallObject": {
        "index": "Is which call this is, in chunks.",
        "id": "Is the call's id, which its result must name.",
        "function": "Is the function that is called.",
        "custom": "Is the custom tool that is called.",
    },
    "CalledFunction": {"name": "Is its name.", "arguments": "Are its arguments, as JSON text."},
    "CalledCustom": {"name": "Is its name.", "input": "Is its input, as free text."},
    "Logprobs": {"content": "Holds one entry per token of the content.", "refusal": "Holds those of a refusal."},
    "ChatUsage": {
        "prompt_tokens": "Counts the prompt, what was cached included.",
        "completion_tokens": "Counts what was generated, reasoning included.",
        "total_tokens": "Counts both.",
        "prompt_tokens_details": "Counts parts of the prompt.",
        "completion_tokens_details": "Counts parts of what was generated.",
        "tool_calls": "Counts calls of hosted tools.",
    },
    "PromptTokensDetails": {
        "cached_tokens": "Counts what was read from the provider's cache.",
        "cache_write_tokens": "Counts what was written to it.",
        "audio_tokens": "Counts audio.",
    },
    "CompletionTokensDetails": {
        "reasoning_tokens": "Counts reasoning.",
        "audio_tokens": "Counts audio.",
        "accepted_prediction_tokens": "Counts what the prediction had right.",
        "rejected_prediction_tokens": "Counts what it had wrong.",
    },
}
WORDS["ChatCompletionChunk"] = WORDS["ChatCompletion"] | {"choices": "Holds what the answer gains; empty at the end."}
WORDS["ChunkChoice"] = WORDS["Choice"] | {"delta": "Is what the message gains."}
WORDS["Delta"] = WORDS["AssistantMessage"]


def describe(components: dict[str, dict[str, object]], same: dict[str, str]) -> None:
    """Puts the words where they belong. `same`: descriptions of members of a Responses request."""
    for name, words in WORDS.items():
        properties = components[name]["properties"]
        assert isinstance(properties, dict)
        for member, schema in properties.items():
            said = words.get(member) or (same.get(member) if name == "ChatRequest" else None)
            if said:
                schema["description"] = said
