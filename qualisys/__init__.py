"""QUALISYS: a self-hosted, multi-tenant governance portal for AI agents."""
