"""`make eval`: run the built-in agents on the demo documents against a real model and score the answers.

Schema validity says whether the answer can be used at all; the rubric says whether it keeps its promises as
far as a machine can tell. Neither replaces reading it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs

from agents.builtin.definitions import BuiltinAgent, load
from agents.builtin.rubric import judge

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs" / "demo"
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "baconsultant": ("Turn these requirements into user stories.", ("requirements-patient-portal.md",)),
    "qaconsultant": ("Plan the tests for this sprint.", ("released-stories.md",)),
    "automationconsultant": ("Automate these cases and mend the broken selectors.", ("test-cases.md",)),
    "logreader": ("What is wrong here?", ("application.log",)),
    "securityscanner": ("Review this API description.", ("openapi-excerpt.json",)),
    "performanceagent": ("Plan the load tests and judge the last run.", ("load-profile.md",)),
    "dbconsultant": ("May this change go in?", ("migration.sql", "database-checks.md")),
}
ANTHROPIC_MODEL = "claude-sonnet-4-5"


class UpstreamError(Exception):
    """The provider refused or answered something that is no answer; the message says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """The provider under test. `model` None means each agent's own."""

    kind: str
    base_url: str
    key: str = field(repr=False)
    model: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """The outcome for one agent. `error` is set when there is no answer to judge."""

    agent_id: str
    seconds: float
    output_tokens: int
    schema_errors: list[str]
    checks: dict[str, bool]
    error: str | None = None

    @property
    def passed(self) -> int:
        """Checks that hold."""
        return sum(self.checks.values())


def choose_target(options: argparse.Namespace) -> Target | None:
    """Return the provider named by options or environment; None when there is no key."""
    env = os.environ
    if options.base_url:
        return Target("openai", options.base_url, env.get("OPENAI_API_KEY", "none"), options.model)
    if key := env.get("OPENAI_API_KEY"):
        base = env.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        return Target("openai", base, key, options.model)
    if key := env.get("ANTHROPIC_API_KEY"):
        base = env.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
        return Target("anthropic", base, key, options.model or ANTHROPIC_MODEL)
    if address := env.get("VLLM_BASE_URL"):
        return Target("vllm", address, env.get("VLLM_API_KEY", "none"), options.model)
    return None


async def name_model(session: aiohttp.ClientSession, target: Target) -> Target:
    """Return the target with a model: a server of its own serves its own, not the agents' usual one."""
    if target.kind != "vllm" or target.model:
        return target
    headers = {"Authorization": f"Bearer {target.key}"}
    async with session.get(f"{target.base_url.rstrip('/')}/models", headers=headers) as response:
        served = await response.json(content_type=None)
    return replace(target, model=str(served["data"][0]["id"]))


def read_case(agent_id: str) -> tuple[str, str]:
    """Return the user message of a case, and the bare text its quotes must come from."""
    question, names = CASES[agent_id]
    texts = {name: (DOCUMENTS / name).read_text(encoding="utf-8") for name in names}
    blocks = [f'<document name="{name}">\n{text}\n</document>' for name, text in texts.items()]
    return "\n\n".join([question, *blocks]), "\n".join(texts.values())


async def ask(
    session: aiohttp.ClientSession, target: Target, agent: BuiltinAgent, message: str
) -> tuple[str, int]:
    """Return the answer's text and its output tokens. Raises UpstreamError, TimeoutError, aiohttp.ClientError."""
    anthropic = target.kind == "anthropic"
    url, headers, body = (_anthropic if anthropic else _openai)(target, agent, message)
    limit = aiohttp.ClientTimeout(total=agent.timeout_seconds)
    async with session.post(url, headers=headers, json=body, timeout=limit) as response:
        data = await response.json(content_type=None)
        if response.status != 200 or not isinstance(data, dict):
            raise UpstreamError(f"{response.status}: {json.dumps(data)[:300]}")
    try:
        if anthropic:
            used = next(part["input"] for part in data["content"] if part["type"] == "tool_use")
            return json.dumps(used), int(data["usage"]["output_tokens"])
        return str(data["choices"][0]["message"]["content"]), int(data["usage"]["completion_tokens"])
    except (KeyError, IndexError, TypeError, StopIteration) as error:
        raise UpstreamError(f"no answer in {json.dumps(data)[:300]}") from error


Call = tuple[str, dict[str, str], dict[str, Any]]


def _openai(target: Target, agent: BuiltinAgent, message: str) -> Call:
    described = {"name": agent.agent_id, "schema": agent.output_schema, "strict": False}
    body = {
        "model": target.model or agent.llm_model,
        "max_tokens": agent.max_tokens_per_invocation // 2,
        "messages": [
            {"role": "system", "content": agent.system_prompt},
            {"role": "user", "content": message},
        ],
        "response_format": {"type": "json_schema", "json_schema": described},
    }
    url = f"{target.base_url.rstrip('/')}/chat/completions"
    return url, {"Authorization": f"Bearer {target.key}"}, body


def _anthropic(target: Target, agent: BuiltinAgent, message: str) -> Call:
    tool = {"name": agent.agent_id, "description": agent.description, "input_schema": agent.output_schema}
    body = {
        "model": target.model,
        "max_tokens": agent.max_tokens_per_invocation // 2,
        "system": agent.system_prompt,
        "messages": [{"role": "user", "content": message}],
        "tools": [tool],
        "tool_choice": {"type": "tool", "name": agent.agent_id},
    }
    headers = {"x-api-key": target.key, "anthropic-version": "2023-06-01"}
    return f"{target.base_url.rstrip('/')}/v1/messages", headers, body


async def evaluate(session: aiohttp.ClientSession, target: Target, agent: BuiltinAgent) -> Score:
    """Return the score of one agent."""
    message, text = read_case(agent.agent_id)
    start = time.monotonic()
    try:
        said, tokens = await ask(session, target, agent, message)
        answer = json.loads(said)
    except (UpstreamError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        return Score(agent.agent_id, time.monotonic() - start, 0, [], {}, reason)
    validator = jsonschema_rs.Draft202012Validator(agent.output_schema)
    errors = [
        f"{list(error.instance_path)}: {error.message[:160]}" for error in validator.iter_errors(answer)
    ]
    checks = judge(agent.agent_id, answer if isinstance(answer, dict) else {}, text)
    return Score(agent.agent_id, time.monotonic() - start, tokens, errors[:20], checks)


async def evaluate_all(target: Target, agents: list[BuiltinAgent]) -> list[Score]:
    """Return the scores one after the other: providers limit what runs at once."""
    async with aiohttp.ClientSession() as session:
        named = await name_model(session, target)
        return [await evaluate(session, named, agent) for agent in agents]


def report(scores: list[Score]) -> str:
    """Return the table, and below it what failed."""
    lines = [f"{'agent':<22}{'schema':<9}{'rubric':<9}{'tokens':>8}{'seconds':>9}"]
    for score in scores:
        valid = "-" if score.error else "valid" if not score.schema_errors else "invalid"
        rubric = f"{score.passed}/{len(score.checks)}" if score.checks else "-"
        lines.append(
            f"{score.agent_id:<22}{valid:<9}{rubric:<9}{score.output_tokens:>8}{score.seconds:>9.1f}"
        )
    for score in scores:
        failed = [name for name, held in score.checks.items() if not held]
        details = [*([score.error] if score.error else []), *score.schema_errors[:3], *failed]
        lines += [f"  {score.agent_id}: {detail}" for detail in details]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and return the exit code: 0 also without a key, 1 when an answer is missing or invalid."""
    parser = argparse.ArgumentParser(prog="python -m agents.builtin.evaluate", description=__doc__)
    parser.add_argument(
        "--base-url", help="an OpenAI-compatible address, for example http://127.0.0.1:9000/v1"
    )
    parser.add_argument("--model", help="model to use instead of the agents' own")
    parser.add_argument(
        "--agent", action="append", choices=sorted(CASES), help="only this agent (repeatable)"
    )
    home = Path(os.environ.get("QUALISYS_HOME") or ".qualisys")
    parser.add_argument("--json", type=Path, default=home / "eval.json", help="where to write the results")
    options = parser.parse_args(arguments)
    target = choose_target(options)
    if target is None:
        print("No provider: set OPENAI_API_KEY, ANTHROPIC_API_KEY or VLLM_BASE_URL. Nothing was evaluated.")
        return 0
    chosen = [agent for agent in load() if not options.agent or agent.agent_id in options.agent]
    scores = asyncio.run(evaluate_all(target, chosen))
    print(report(scores))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    results = [asdict(score) for score in scores]
    document = {"base_url": target.base_url, "model": target.model, "results": results}
    options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"Written to {options.json}")
    return int(any(score.error or score.schema_errors for score in scores))


if __name__ == "__main__":
    raise SystemExit(main())
