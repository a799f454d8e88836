"""For whom: tenants, their hosts, people, memberships, keys, sessions and tokens. All in the public schema."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower
from django_tenants.models import DomainMixin, TenantMixin

from qualisys import roles, tenancy


def of_tenant(tenant_id: UUID | str | None) -> models.Q:
    """Return the condition for rows of a tenant; without one, for rows of the platform."""
    return models.Q(tenant_id=tenant_id) if tenant_id else models.Q(tenant_id__isnull=True)


class Tier(models.TextChoices):
    """What a tenant has subscribed to."""

    STANDARD = "standard", "Standard"
    ENTERPRISE = "enterprise", "Enterprise"


class TenantStatus(models.TextChoices):
    """Whether a tenant may work."""

    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"


class Tenant(TenantMixin):  # type: ignore[misc]
    """A client organisation with a schema of its own; created by `tenants.services.create_tenant` only."""

    auto_create_schema = False
    auto_drop_schema = False

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    tier = models.CharField(max_length=20, choices=Tier.choices, default=Tier.STANDARD)
    status = models.CharField(max_length=20, choices=TenantStatus.choices, default=TenantStatus.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["schema_name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.schema_name})"

    def values(self) -> tenancy.Tenant:
        """Return the tenant as the values that travel in the context."""
        return tenancy.Tenant(self.id, self.schema_name, self.name, self.tier, self.status)


class Host(DomainMixin):  # type: ignore[misc]
    """A host name under which a tenant is reached."""

    class Meta:
        ordering = ["domain"]

    def __str__(self) -> str:
        return str(self.domain)


class UserManager(BaseUserManager["User"]):
    """Finds people by e-mail, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the person with this e-mail."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, once for the whole installation; memberships give them roles in tenants."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200, blank=True)
    platform_role = models.CharField(max_length=30, choices=roles.PLATFORM_CHOICES, blank=True, default="")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["email"]
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return how the person is called, where they have said so."""
        return self.name or self.email

    def check_password(self, raw_password: str | None) -> bool:
        """Tell whether this is the password; a hash of an older kind is replaced when it is."""
        # A person's row is the platform's, also when they sign in to a tenant.
        with tenancy.use(tenancy.platform("check a password")):
            return super().check_password(raw_password)

    @property
    def is_staff(self) -> bool:
        """Whether the person may enter the platform console."""
        return bool(self.platform_role)


class Membership(models.Model):
    """A person's role in a tenant."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=30, choices=roles.CHOICES)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at"]
        verbose_name = "member"
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} as {self.get_role_display()}"


class ApiKey(models.Model):
    """A key that acts as its owner. Only a keyed hash of its secret is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    #: The prefix of the key that took over, where this one was rotated and ends soon.
    successor = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "prefix"], name="apikey_prefix_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Session(AbstractBaseSession):
    """A browser session, bound to a person and to the tenant on whose host it began."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=45, blank=True, default="", db_default="")
    user_agent = models.CharField(max_length=300, blank=True, default="", db_default="")
    method = models.CharField(max_length=20, blank=True, default="", db_default="")

    class Meta(AbstractBaseSession.Meta):
        abstract = False

    @classmethod
    def get_session_store_class(cls) -> Any:
        """Return the store that writes these rows."""
        from tenants.sessions import SessionStore

        return SessionStore


class TokenFamily(models.Model):
    """The refresh tokens that descend from one sign-in. Using an old one revokes them all."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, null=True, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    current_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(auto_now=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=45, blank=True, default="", db_default="")
    user_agent = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        verbose_name = "token family"
        verbose_name_plural = "token families"

    def __str__(self) -> str:
        return str(self.pk)


class SigningKey(models.Model):
    """An Ed25519 key that signs access tokens, its private half encrypted under SECRET_KEY."""

    kid = models.CharField(max_length=32, primary_key=True)
    private = models.BinaryField()
    public = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.kid


class SchemaTemplate(models.Model):
    """The SQL that makes a tenant's schema, recorded from the migrations whose fingerprint it carries."""

    fingerprint = models.CharField(max_length=64, primary_key=True)
    statements = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.fingerprint


class PatternFamily(models.TextChoices):
    """What a pattern finds, in words that finish "this reads like"."""

    OVERRIDE = "override", "an order to set earlier instructions aside"
    ROLE = "role", "a message that poses as the system"
    DELIMITER = "delimiter", "a control token of a chat format"
    LEAK = "leak", "a request for hidden instructions"
    PERSONA = "persona", "a persona without rules"
    POLICY = "policy", "a suspension of safety rules"
    ENCODED = "encoded", "an order in encoded form"
    SPLITTING = "splitting", "an order in pieces"
    EXFILTRATION = "exfiltration", "a way of carrying data out"
    DIALOGUE = "dialogue", "an invented dialogue or end of the task"
    AUTHORITY = "authority", "a claim of authority over the agent"
    GATES = "gates", "a way around approvals or limits"
    OTHER = "other", "something that this platform does not allow"


class PromptPattern(models.Model):
    """What no tenant's custom prompt may say. The platform's rows; tried when a prompt is saved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(max_length=60, unique=True)
    family = models.CharField(max_length=20, choices=PatternFamily.choices, default=PatternFamily.OTHER)
    pattern = models.CharField(max_length=500)
    note = models.CharField(max_length=300, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["family", "name"]
        verbose_name = "prompt pattern"

    def __str__(self) -> str:
        return self.name


# Rooms of their own; Django finds models here.
from tenants.overrides.models import TenantAgentConfig as TenantAgentConfig  # noqa: E402
from tenants.overrides.models import TenantAgentConfigRevision as TenantAgentConfigRevision  # noqa: E402
from tenants.signin import models as signin_models  # noqa: E402, F401
