"""Shapes of the sign-in API."""

from __future__ import annotations

from ninja import Schema
from pydantic import ConfigDict, Field


class SignIn(Schema):
    """Who signs in where; `tenant` is the organisation's slug, empty for the platform."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=254, examples=["pm_csm@acme.example"])
    password: str = Field(max_length=1000, examples=["the password in demo.json"])
    tenant: str | None = Field(default=None, max_length=64, examples=["acme"])
    otp: str | None = Field(default=None, max_length=20)


class RefreshIn(Schema):
    """The refresh token to use up."""

    model_config = ConfigDict(extra="forbid")

    refresh: str = Field(max_length=500, examples=["the refresh token of the sign-in"])


class TokenPair(Schema):
    """An access token for 15 minutes and the refresh token for the next one."""

    access: str
    refresh: str
    expires_in: int = Field(examples=[900])
    token_type: str = "Bearer"  # noqa: S105 - the scheme, no secret
