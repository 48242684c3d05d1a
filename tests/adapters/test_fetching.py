"""URLs for a provider that fetches none: their bytes are sent instead, and the client is told."""

import base64

import pytest

from services.adapters.dialect import UrlNotTaken
from services.adapters.dialects.bedrock_converse import BedrockConverse
from services.adapters.fetching import with_bytes
from services.catalog.schema import Provider, Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call, File, Image, Message, Text, ToolResult
from services.wire.fetch import FetchFailed

TARGET = Target(Provider("bedrock", "Bedrock", "bedrock_converse", ""), "bedrock_converse", "m", "m")


class Net:
    """Knows one picture and one page."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, url: str) -> tuple[str, bytes]:
        self.asked.append(url)
        if url == "https://a.example/p.png":
            return "image/png", b"picture"
        if url == "https://a.example/page.pdf?x=1":
            return "application/octet-stream", b"page"
        raise FetchFailed("it answers with status 404")


def call(*parts: Image | File) -> Call:
    return Call(model="m", items=[Message("user", [Text("Look"), *parts])])


async def test_bytes_stand_in_the_place_of_urls():
    """Each URL is fetched once; the media type is the server's, else what the name tells."""
    net, picture = Net(), Image("https://a.example/p.png")
    asked = call(
        picture, picture, File("https://a.example/page.pdf?x=1", filename="page.pdf"), Image("data:x;base64,AA")
    )
    with pytest.raises(UrlNotTaken):
        BedrockConverse().request(asked, TARGET)
    filled, losses = await with_bytes(asked, net)
    message = filled.items[0]
    assert isinstance(message, Message)
    urls = [part.url for part in message.content if isinstance(part, Image | File)]
    encoded = base64.b64encode(b"picture").decode()
    assert urls[:2] == [f"data:image/png;base64,{encoded}"] * 2
    assert str(urls[2]).startswith("data:application/pdf;base64,")
    assert urls[3] == "data:x;base64,AA"
    assert sorted(net.asked) == ["https://a.example/p.png", "https://a.example/page.pdf?x=1"]
    assert {loss.action for loss in losses} == {"emulated"}
    assert BedrockConverse().request(call(*message.content[1:3]), TARGET)  # type: ignore[arg-type]


async def test_a_url_that_cannot_be_fetched_is_named():
    """With its path, and why."""
    asked = Call(model="m", items=[ToolResult("c", [Image("https://a.example/none")])])
    with pytest.raises(InvalidRequest, match="status 404") as raised:
        await with_bytes(asked, Net())
    assert raised.value.param == "input[0].output[0].image_url"


async def test_too_many_urls_are_refused():
    """Before any is asked."""
    net = Net()
    with pytest.raises(InvalidRequest, match="At most 20"):
        await with_bytes(call(*[Image(f"https://a.example/{n}") for n in range(21)]), net)
    assert net.asked == []
