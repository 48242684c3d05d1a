"""Runs real clients against the gateway with every provider behind it, and writes the table of docs/clients.md."""
