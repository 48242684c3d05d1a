"""The table of docs/clients.md."""

from collections.abc import Mapping, Sequence

from tests.real_clients.runs import Result

BEGIN = "<!-- table: python -m tests.real_clients -->"
END = "<!-- end -->"


def table(clients: Sequence[str], providers: Sequence[str], results: Mapping[tuple[str, str], Result]) -> str:
    """Clients in rows, providers in columns."""
    lines = [f"| | {' | '.join(providers)} |", f"|---|{'---|' * len(providers)}"]
    lines += [
        f"| {client} | {' | '.join(results[client, provider].cell for provider in providers)} |" for client in clients
    ]
    return "\n".join(lines) + "\n"


def page(text: str, made: str) -> str:
    """The page with this table in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}{END}{after}"
