"""Writes the pipeline for the CI system that the input names."""

from __future__ import annotations

import re
from typing import Any

_SYSTEMS = (
    ("github_actions", r"github actions|\.github/workflows", ".github/workflows/tests.yml"),
    ("gitlab_ci", r"gitlab", ".gitlab-ci.yml"),
    ("azure_devops", r"azure (?:devops|pipelines)", "azure-pipelines.yml"),
    ("jenkins", r"jenkins", "Jenkinsfile"),
)

_CONTENT = {
    "github_actions": """name: tests
on:
  push:
  schedule:
    - cron: "0 3 * * *"
jobs:
  playwright:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    strategy:
      fail-fast: false
      matrix:
        shard: [1, 2]
    env:
      BASE_URL: ${{ vars.BASE_URL }}
%(secrets)s    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 22, cache: npm }
      - run: npm ci
      - run: npx playwright install --with-deps chromium
      - run: npx playwright test --shard=${{ matrix.shard }}/2 --retries=1
      - uses: actions/upload-artifact@v4
        if: failure()
        with: { name: "report-${{ matrix.shard }}", path: playwright-report }
""",
    "gitlab_ci": """playwright:
  image: mcr.microsoft.com/playwright:v1.55.0-noble
  parallel: 2
  timeout: 20m
  script:
    - npm ci
    - npx playwright test --shard=$CI_NODE_INDEX/$CI_NODE_TOTAL --retries=1
  artifacts:
    when: on_failure
    paths: [playwright-report]
""",
    "azure_devops": """trigger: ["*"]
pool: { vmImage: ubuntu-latest }
steps:
  - script: npm ci
  - script: npx playwright install --with-deps chromium
  - script: npx playwright test --retries=1
    env: { BASE_URL: $(BASE_URL) }
  - publish: playwright-report
    condition: failed()
""",
    "jenkins": """pipeline {
  agent { docker { image 'mcr.microsoft.com/playwright:v1.55.0-noble' } }
  options { timeout(time: 20, unit: 'MINUTES') }
  stages {
    stage('Tests') { steps { sh 'npm ci && npx playwright test --retries=1' } }
  }
  post { failure { archiveArtifacts 'playwright-report/**' } }
}
""",
    "not_stated": """#!/bin/sh
# Runs the suite; call it from whichever CI system is chosen.
set -eu
npm ci
npx playwright install --with-deps chromium
npx playwright test --retries=1
""",
}


def write_pipeline(text: str, needs: list[str]) -> dict[str, Any]:
    """Return the pipeline. Values in `needs` other than the address are secrets, by name."""
    system, path = "not_stated", "ci/run-tests.sh"
    for name, pattern, place in _SYSTEMS:
        if re.search(pattern, text, re.IGNORECASE):
            system, path = name, place
            break
    secrets = [name for name in needs if name != "BASE_URL"]
    lines = "".join(f"      {name}: ${{{{ secrets.{name} }}}}\n" for name in secrets)
    content = _CONTENT[system]
    return {
        "system": system,
        "path": path,
        "content": content.replace("%(secrets)s", lines),
        "stages": [
            {"name": "smoke", "trigger": "every push", "gate": "Any failure stops the merge"},
            {
                "name": "full suite",
                "trigger": "every night",
                "gate": "Any failure opens a ticket; one retry, counted",
            },
        ],
        "secrets": secrets,
    }
