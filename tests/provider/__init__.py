"""A model provider for tests: a real HTTP server that speaks OpenAI and Anthropic and misbehaves on demand.

`python -m tests.provider --port 9100` runs it by hand; tests use `tests.provider.process.start()`.
"""
