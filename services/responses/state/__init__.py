"""What the Responses API keeps between requests: responses, streams to continue, work in the background, conversations."""
