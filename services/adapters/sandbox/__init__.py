"""`sandbox/echo`: a provider that needs nothing. Deterministic text, tool calls, reasoning, errors and delays on demand.

What people may ask of it is `docs/sandbox.md`. Everything but `play` is pure.
"""
