"""What people sign in with. Secrets are sealed or hashed; what concerns the person alone is the platform's."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from qualisys import roles


class Authenticator(models.Model):
    """A person's authenticator app. `last_step` is the newest time step whose code was used."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="authenticator"
    )
    secret = models.BinaryField()
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"authenticator of {self.user_id}"


class RecoveryCode(models.Model):
    """A code for the day the authenticator is lost. It works once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    code_hash = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"


class Invitation(models.Model):
    """An e-mail address that may become a member. Who has the mail has the token; only its hash is here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=30, choices=roles.CHOICES)
    invited_by = models.UUIDField()
    token_hash = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                "tenant", Lower("email"), name="invitation_open_once",
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.email} as {self.get_role_display()}"

    @property
    def is_open(self) -> bool:
        """Whether it may still be accepted."""
        return not (self.accepted_at or self.revoked_at) and self.expires_at > timezone.now()


class Passkey(models.Model):
    """The public half of a key pair in a person's device, for one host. `sign_count` betrays a copy."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=100)
    host = models.CharField(max_length=253)
    credential_id = models.BinaryField(max_length=1023, unique=True)
    public_key = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class IdentityProvider(models.Model):
    """An organisation's own OpenID Connect provider. The client secret is sealed and never shown again."""

    tenant = models.OneToOneField(
        "tenants.Tenant", on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    issuer = models.URLField(max_length=500)
    client_id = models.CharField(max_length=300)
    client_secret = models.BinaryField()
    domains = models.JSONField(default=list)
    default_role = models.CharField(max_length=30, choices=roles.CHOICES, blank=True, default="")
    is_required = models.BooleanField(default=False)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.issuer


class ExternalIdentity(models.Model):
    """Who a person is at an organisation's provider: the subject, which no rename of an address moves."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "issuer", "subject"], name="externalidentity_once")
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
