"""`python -m tests.real_clients [--clients DIR] [--only CLIENT,…] [--providers ID,…]`

Needs the folder `shared` beside the repository (scripts and the scripted model) and the clients its `setup.sh` installs in DIR.
With all clients and providers, about three minutes on two idle cores; the table then goes into docs/clients.md.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.gateway import ROOT, serving
from tests.real_clients.runs import CLIENTS, PROVIDERS, Runs
from tests.real_clients.table import page, table
from tests.shared.fakes import environment, fake

PAGE = ROOT / "docs/clients.md"


def main() -> int:
    """Runs what the arguments choose; exit status 1 when a client failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_clients", description=__doc__)
    parser.add_argument("--clients", type=Path, default=Path(os.environ.get("CLIENTS_DIR", ".clients")))
    parser.add_argument("--only", default=",".join(CLIENTS))
    parser.add_argument("--providers", default=",".join(PROVIDERS))
    options = parser.parse_args()
    clients, providers = options.only.split(","), options.providers.split(",")
    with (
        tempfile.TemporaryDirectory() as folder,
        fake("actor") as actor,
        serving(Path(folder), environment(actor), WORKERS="2") as gateway,
    ):
        runs = Runs(gateway, actor, options.clients.absolute())
        results = {(client, provider): runs.run(client, provider) for provider in providers for client in clients}
    sys.stdout.write(table(clients, providers, results))
    whole = set(clients) == set(CLIENTS) and set(providers) == set(PROVIDERS)
    if whole:
        PAGE.write_text(page(PAGE.read_text(), table(clients, providers, results)))
    return 0 if all(result.ok for result in results.values()) else 1


sys.exit(main())
