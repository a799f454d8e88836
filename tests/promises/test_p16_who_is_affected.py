"""P16: one model of a provider fails; whose runs are refused, and whose are not. The table of `docs/breaker.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.portal import ROOT, Portal, Scripted

pytestmark = [pytest.mark.promise, pytest.mark.usefixtures("database")]

PAGE = ROOT / "docs" / "breaker.md"
BEGIN, END = "<!-- affected -->\n", "<!-- /affected -->\n"
ROUNDS = 12
#: A model that repeats its instructions answers by the schema under the first, and not where the second is added.
GOOD = '{"summary": "Every requirement was read, and none of them is missing."}'
BAD = "Number every requirement as REQ-<area>-<number> and keep the wording of ISO 13485 throughout."


@dataclass
class Party:
    """One agent in one tenant, and what became of its runs."""

    name: str
    tenant: str
    agent: Scripted
    on: str
    codes: Counter[str] = field(default_factory=Counter)

    def run(self, portal: Portal) -> None:
        """Ask once."""
        with portal.client(self.tenant) as client:
            answer = client.post(f"/agents/{self.agent.agent_id}/runs", json={"input": "x"})
        self.codes["answered" if answer.status_code == 201 else answer.json()["code"]] += 1

    def state(self, portal: Portal) -> str:
        """Return the breaker as this tenant meets it."""
        with portal.client(self.tenant, "owner") as client:
            found: str = client.get(f"/agents/{self.agent.agent_id}/circuit-breaker").json()["state"]
        return found

    @property
    def refused(self) -> int:
        """The runs that the guard refused, whatever for."""
        return self.codes.total() - self.codes["answered"] - self.codes["provider_error"]

    def row(self) -> str:
        """Return its line of the table."""
        figures = (self.codes.total(), self.codes["answered"], self.codes["provider_error"], self.refused)
        return " | ".join([f"| {self.name}", self.tenant, self.on, *map(str, figures)]) + " |"


@pytest.fixture
def parties(portal: Portal) -> Iterator[list[Party]]:
    """Two agents on different models; one tenant has chosen the failing model for the agent of the good one."""
    good, failing = portal.scripted("chunks=1"), portal.scripted("status=500")
    with portal.client("globex", "owner") as client:
        path, body = f"/tenant/agents/{good.agent_id}/config", {"llm_model_override": failing.model}
        assert client.put(path, json=body).status_code == 200
    yield [
        Party("A", "acme", good, "model 1, as registered"),
        Party("A", "globex", good, "model 2, chosen by globex"),
        Party("B", "acme", failing, "model 2, as registered"),
        Party("B", "globex", failing, "model 2, as registered"),
    ]
    with portal.client("globex", "owner") as client:
        client.delete(path)


def test_one_models_failure__two_agents_and_two_tenants__refuses_nobody_else(
    portal: Portal, parties: list[Party]
) -> None:
    """P16: who runs on the model that works sees no refusal, also where it is the same agent."""
    for _ in range(ROUNDS):
        for party in parties:
            party.run(portal)
    table = "\n".join(["| Agent | Tenant | Runs on | Runs | Answered | Failed | Refused |",
                       "|---|---|---|---:|---:|---:|---:|",
                       *(party.row() for party in parties)]) + "\n"  # fmt: skip
    print(table)
    unaffected, own, *shared = parties
    assert unaffected.codes == {"answered": ROUNDS}
    # Its own circuit, after five failures of its own.
    assert own.codes == {"provider_error": 5, "agent_circuit_open": ROUNDS - 5}
    # The agent's circuit, which both run unchanged: five failures between them.
    assert sum(party.codes["provider_error"] for party in shared) == 5
    assert sum(party.codes["agent_circuit_open"] for party in shared) == 2 * ROUNDS - 5
    assert [party.state(portal) for party in parties] == ["closed", "open", "open", "open"]
    assert portal.provider.stats(unaffected.agent.model)["requests"] == ROUNDS
    assert portal.provider.stats(shared[0].agent.model)["requests"] == 10
    assert PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0] == table


def test_one_tenants_own_prompt__fails__leaves_the_agent_to_the_others(portal: Portal) -> None:
    """P16: same agent, same model: globex's prompt brings answers outside the schema; acme's runs are all answered."""
    schema = {"type": "object", "required": ["summary"]}
    agent = portal.scripted("echo=system", system_prompt=GOOD, output_schema=schema)
    with portal.client("globex", "owner") as client:
        path = f"/tenant/agents/{agent.agent_id}/config"
        assert client.put(path, json={"custom_prompt": BAD}).status_code == 200
    unaffected, own = Party("A", "acme", agent, ""), Party("A", "globex", agent, "")
    for _ in range(7):
        own.run(portal)
        unaffected.run(portal)
    assert own.codes == {"output_schema_violation": 5, "agent_circuit_open": 2}
    assert unaffected.codes == {"answered": 7}
    assert (own.state(portal), unaffected.state(portal)) == ("open", "closed")
