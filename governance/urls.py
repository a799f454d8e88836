"""A tenant's pages about agents and runs."""

from __future__ import annotations

from django.urls import path

from governance import views

urlpatterns = [
    path("", views.agents, name="agents"),
    path("health/agents/", views.agents_health, name="agents-health"),
    path("agents/<str:agent_id>/", views.agent, name="agent"),
    path("runs/", views.runs, name="runs"),
    path("runs/<uuid:run_id>/", views.run, name="run"),
    path("docs-demo/<str:name>", views.demo_document, name="demo-document"),
]
