"""A tenant's pages about agents and runs."""

from __future__ import annotations

from django.urls import path

from governance import views
from governance.health import views as health
from governance.runs import views as runs

urlpatterns = [
    path("", views.agents, name="agents"),
    path("health/agents/", views.agents_health, name="agents-health"),
    path("agents/<str:agent_id>/", views.agent, name="agent"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<uuid:run_id>/", runs.run, name="run"),
    path("runs/<uuid:run_id>/told/", runs.run_told, name="run-told"),
    path("runs/<uuid:run_id>/document.docx", runs.run_document, name="run-document"),
    path("settings/health/", health.health, name="health"),
    path("settings/usage/", views.usage, name="usage"),
    path("settings/usage/usage.csv", views.usage_file, name="usage-file"),
    path("docs-demo/<str:name>", views.demo_document, name="demo-document"),
]
