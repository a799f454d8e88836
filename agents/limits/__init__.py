"""Limits: what a tenant, and an agent within it, may use, and when a circuit opens."""
