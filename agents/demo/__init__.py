"""The demo model: a local, OpenAI-compatible server that answers by rules instead of a language model.

It reads the input it is given and composes a structured answer from its sentences, so that a fresh
installation can be tried without a provider's key. It proves the plumbing, never the prompts.
"""

from __future__ import annotations

MODEL = "qualisys-demo"
NOTICE = "Composed by rules by the demo model, not by a language model."
