"""One settings file. The environment is parsed once, typed, and refused with a clear line when it is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

from qualisys.environment import LOCAL_HOSTS, database_parts, email_parts, load_environment

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = load_environment()

DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key.get_secret_value()
ALLOWED_HOSTS = ENV.allowed_hosts
QUALISYS_HOME = ENV.qualisys_home

# --- apps: one arrow, governance -> tenants -> versions -> agents -> qualisys ---------------------------------
SHARED_APPS = [
    "django.contrib.contenttypes",
    "qualisys",
    "agents",
    "versions",
    "tenants",
    "governance",
    "governance.audit",
    "django_tenants",
    "unfold",
    "django.contrib.auth",
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    "django_htmx",
    "django_prometheus",
    "channels",
]
TENANT_APPS = ["governance", "guardian"]
INSTALLED_APPS = [*SHARED_APPS]

# --- tenancy ---------------------------------------------------------------------------------------------------
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Host"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_DIRECTORY = "tenants.directory"
AUTHENTICATOR = "tenants.authentication.authenticate"
CHANGE_POLICY = "qualisys.changes.allow"
EVENT_HANDLERS = ["qualisys.stale.handle"]

# --- database: a process is the app or, for migrations and maintenance, the owner --------------------------------
DATABASE_ROLE = ENV.database_role
DATABASE_APP_ROLE = database_parts(ENV.database_url.get_secret_value())["USER"]
_database = ENV.database
_options: dict[str, Any] = {"connect_timeout": 5, **_database.pop("OPTIONS")}
if DATABASE_ROLE == "app":
    _options["pool"] = {"min_size": 1, "max_size": 24, "timeout": 5}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "qualisys.database",
        **_database,
        "OPTIONS": _options,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        # A restarted database leaves dead connections in the pool: each would fail the request that gets it.
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- redis -----------------------------------------------------------------------------------------------------
REDIS_URL = ENV.redis_url.get_secret_value()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_FUNCTION": "qualisys.database.keys.tenant_key",
    }
}
CELERY_BROKER_URL = REDIS_URL

# --- web -------------------------------------------------------------------------------------------------------
ROOT_URLCONF = "qualisys.urls_tenant"
PUBLIC_SCHEMA_URLCONF = "qualisys.urls_platform"
ASGI_APPLICATION = "qualisys.asgi.application"
SOCKETS = [
    ("ws/agents/<str:agent_id>/", "governance.consumers.AgentConsumer"),
    ("ws/runs/<uuid:run_id>/", "governance.consumers.RunConsumer"),
]
PULSE_TICKS = ["qualisys.metrics.write", "governance.runs.watch.tick", "tenants.seen.tick"]
SHUTDOWN = [
    "tenants.seen.flush",
    "governance.runs.orchestrator.shut_down",
    "agents.providers.close",
    "qualisys.metrics.write",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "qualisys.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "tenants.middleware.HostMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.middleware.MembershipMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "qualisys.middleware.ProblemMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.context.portal",
            ]
        },
    }
]
STATIC_URL = "/static/"
# Assets are served from the checkout itself, found once at start-up.
STATIC_ROOT = None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
APPEND_SLASH = True

# --- people ----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["tenants.backends.RoleBackend", "guardian.backends.ObjectPermissionBackend"]
ANONYMOUS_USER_NAME = None
PASSWORD_HASHERS = [
    "tenants.signin.hashers.Argon2Hasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "/"
SESSION_ENGINE = "tenants.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
PASSWORD_RESET_TIMEOUT = 3600
#: Names of tenants' providers that may lead into a private network.
OIDC_PRIVATE_HOSTS = ENV.oidc_private_hosts
CSRF_FAILURE_VIEW = "qualisys.errors.csrf_failure"

# --- mail: without EMAIL_URL nothing is sent, and whoever sends says so in the log --------------------------------
EMAIL = email_parts(ENV.email_url.get_secret_value()) if ENV.email_url else {}
EMAIL_BACKEND = EMAIL.get("BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_FILE_PATH = EMAIL.get("FILE_PATH")
EMAIL_HOST, EMAIL_PORT = EMAIL.get("HOST", "localhost"), EMAIL.get("PORT", 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.get("HOST_USER", ""), EMAIL.get("HOST_PASSWORD", "")
EMAIL_USE_SSL, EMAIL_USE_TLS = EMAIL.get("USE_SSL", False), EMAIL.get("USE_TLS", False)
EMAIL_TIMEOUT = EMAIL.get("TIMEOUT")
DEFAULT_FROM_EMAIL = ENV.email_from

# --- transport security: the embedded installation speaks HTTP on loopback, any other sits behind TLS -------------
SECURE_TRANSPORT = not set(ALLOWED_HOSTS) <= set(LOCAL_HOSTS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_TRANSPORT
SECURE_SSL_REDIRECT = SECURE_TRANSPORT
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_TRANSPORT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_TRANSPORT
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_TRANSPORT else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ("/admin/", "/api/v1/docs"),
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}


# --- flags -----------------------------------------------------------------------------------------------------
TENANT_PROMPT_REPLACE_ENABLED = ENV.tenant_prompt_replace_enabled


# --- model providers -------------------------------------------------------------------------------------------
def _provider(base_url: str, key: str) -> dict[str, str]:
    return {"base_url": base_url.rstrip("/"), "api_key": key}


PROVIDERS: dict[str, dict[str, str]] = {}
if ENV.openai_api_key:
    PROVIDERS["openai"] = _provider(
        ENV.openai_base_url or "https://api.openai.com/v1", ENV.openai_api_key.get_secret_value()
    )
if ENV.anthropic_api_key:
    PROVIDERS["anthropic"] = _provider(
        ENV.anthropic_base_url or "https://api.anthropic.com/v1", ENV.anthropic_api_key.get_secret_value()
    )
if ENV.vllm_base_url:
    PROVIDERS["vllm"] = _provider(ENV.vllm_base_url, ENV.vllm_api_key.get_secret_value())
DEMO_MODEL_URL = (ENV.demo_model_url or "") if ENV.demo_model else ""

# --- time, language, logs ----------------------------------------------------------------------------------------
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-gb"
USE_I18N = True
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "qualisys.logs.formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "uvicorn.access": {"level": "WARNING"},
        "asyncio": {"level": "WARNING"},
    },
}
PROMETHEUS_EXPORT_MIGRATIONS = False
PROMETHEUS_METRIC_NAMESPACE = ""
if ENV.prometheus_multiproc_dir:
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(ENV.prometheus_multiproc_dir))
    # Only now, because the library looks for the folder when it is imported.
    from qualisys.metrics import count_by_process

    count_by_process()

SILENCED_SYSTEM_CHECKS = [
    # The embedded installation serves plain HTTP on loopback only; `check --deploy` runs with secure transport.
    "guardian.W001",
]


def _console_page(title: str, icon: str, name: str, perm: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}
    return item if perm is None else {**item, "permission": lambda request: request.user.has_perm(perm)}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "QUALISYS console",
    "SITE_HEADER": "QUALISYS",
    "SITE_SUBHEADER": "Platform console",
    "SITE_URL": None,
    "SITE_SYMBOL": "verified_user",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("images/mark.svg")}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "governance.console.dashboard",
    "STYLES": [lambda request: static("css/tokens.css"), lambda request: static("css/console.css")],
    "SCRIPTS": [lambda request: static("js/console.js")],
    "COMMAND": {
        "search_models": ["agents.agentdefinition", "versions.agentversion", "tenants.tenant", "tenants.user"]
    },
    "SIDEBAR": {
        "command_search": True,
        "show_search": True,
        "navigation": [
            {
                "title": "Govern",
                "items": [
                    _console_page("Dashboard", "monitoring", "index"),
                    _console_page("Agents", "smart_toy", "agents_agentdefinition_changelist"),
                    _console_page("Model offers", "tune", "agents_modeloffer_changelist"),
                    _console_page("Versions", "history", "versions_agentversion_changelist"),
                    _console_page("Limits", "speed", "agents_limits_changelist"),
                    _console_page("Prices", "payments", "agents_modelprice_changelist"),
                    _console_page("Stops", "front_hand", "agents_modelstop_changelist"),
                    _console_page("Health", "monitor_heart", "health", "agents.view_executionlog"),
                    _console_page("Live runs", "bolt", "live", "agents.view_executionlog"),
                    _console_page("Execution log", "receipt_long", "executions", "agents.view_executionlog"),
                    _console_page("Audit trail", "policy", "trail", "audit.view_auditevent"),
                ],
            },
            {
                "title": "Tenants",
                "items": [
                    _console_page("Tenants", "apartment", "tenants_tenant_changelist"),
                    _console_page("People", "group", "tenants_user_changelist"),
                    _console_page("Members", "badge", "tenants_membership_changelist"),
                    _console_page("API keys", "key", "tenants_apikey_changelist"),
                    _console_page("Prompt patterns", "shield", "tenants_promptpattern_changelist"),
                    _console_page("Identity providers", "passkey", "tenants_identityprovider_changelist"),
                ],
            },
        ],
    },
}
