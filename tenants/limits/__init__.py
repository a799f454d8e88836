"""Limits by tenant: what the platform gives one, and what it sets for itself."""
