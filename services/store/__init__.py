"""What outlives a request: responses, the events of their streams, conversations."""
