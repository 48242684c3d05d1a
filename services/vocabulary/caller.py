"""Who is calling, as far as other rooms need to know."""

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """The owner of a verified API key. `key_id` is public; the key itself never leaves the keys room."""

    key_id: str
    name: str = ""
