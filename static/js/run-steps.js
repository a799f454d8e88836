// The steps of a run as a line, and what can be done about a problem: words only, from the run's state.

import { h, icon } from "./dom.js";
import { count, duration } from "./format.js";

const NAMES = ["Queued", "Guard", "Model", "Check", "Done"];
const ICONS = { waiting: "circle-dot", active: "loader", done: "circle-check", failed: "circle-x", stopped: "circle-stop" };
const SAID = { waiting: "not yet", active: "now", done: "done", failed: "failed", stopped: "stopped" };
const PHASES = ["queued", "guard", "model", "check", "done"];
const FAILS_AT = {
  validation_error: 0, payload_too_large: 0, permission_denied: 0, not_authenticated: 0, agent_not_found: 0, not_found: 0, conflict: 0,
  agent_disabled_for_tenant: 0, token_budget_exceeded: 1, cost_budget_exceeded: 1, model_stopped: 1, rate_limited: 1, agent_circuit_open: 1, guard_unavailable: 1, output_schema_violation: 3,
};

/** Return the <li> of every step for a run view's state. */
export function steps(state) {
  const at = PHASES.indexOf(state.phase);
  const stop = state.problem ? (FAILS_AT[state.problem.code] ?? Math.max(at, 2)) : at;
  return NAMES.map((name, index) => {
    const how = stepState(index, stop, state);
    const detail = detailOf(index, how, state);
    return h(
      "li",
      { class: "step", "data-state": how },
      icon(ICONS[how], how === "active" ? "spin" : ""),
      h("span", { class: "step-name" }, name),
      detail ? h("span", { class: "step-detail" }, detail) : null,
      h("span", { class: "visually-hidden" }, `: ${SAID[how]}`),
    );
  });
}

function stepState(index, at, state) {
  if (index < at) return "done";
  if (index > at) return "waiting";
  if (state.problem) return "failed";
  if (state.status === "cancelled") return "stopped";
  return state.ended ? "done" : "active";
}

function detailOf(index, how, state) {
  if (index === 0 && how === "active") return state.waiting ? "waiting for a worker" : "";
  if (index === 2 && how === "active") return state.text ? count(state.text.length, "character") : `waiting for the first words, ${duration(state.elapsed)}`;
  if (index === 3 && how === "active" && state.repairing) return "mending the answer once";
  if (index === 3 && how === "done" && state.ended && state.status === "completed") return state.isDocument ? "matches the schema" : "free text";
  if (index === 4 && how === "done" && state.ms) return `in ${duration(state.ms)}`;
  return "";
}

/** Return in plain words what a person can do about a problem. */
export function advice(problem, retryAfter) {
  const wait = retryAfter ? `Wait ${retryAfter} s, then try again.` : "Wait a little, then try again.";
  const told = {
    rate_limited: wait,
    guard_unavailable: wait,
    agent_circuit_open: `It failed several times and is paused, so that nobody waits in vain. It is tried again by itself. ${wait}`,
    token_budget_exceeded: "Ask an administrator of your organisation, or wait until the budget starts anew.",
    agent_timeout: "Give it less text at once and try again. What had arrived is kept below.",
    provider_error: "The fault is with the model provider. Try again; if it stays, tell an administrator the run id.",
    provider_not_configured: "An administrator of the platform has to set up the model provider.",
    output_schema_violation: "Try again: models differ from one answer to the next. What it wrote is kept below.",
    worker_lost: "Try again. What had arrived before is kept below.",
    validation_error: "Change what is named above and send it again.",
    payload_too_large: "Attach fewer or smaller documents.",
    not_authenticated: "Your session has ended. Sign in again; what you wrote is still here if you do that in another tab.",
    permission_denied: "Reload the page. If it stays, ask an administrator of your organisation.",
    not_found: "Start afresh: what this continues is not there for you.",
    unreachable: "Check your connection. The run may go on: its result will be under Runs.",
    lost: "Reload the page to look again. The run may go on: its result will be under Runs.",
  };
  return told[problem.code] ?? "Try again. If it stays, tell an administrator the ids below.";
}
