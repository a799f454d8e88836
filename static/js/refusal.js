// Why the guard refused a run: which limit or circuit, how much of it was used, when it frees, and what helps.

import { h, icon, svg } from "./dom.js";
import { count, dollars, duration } from "./format.js";

const CODES = ["agent_circuit_open", "token_budget_exceeded", "cost_budget_exceeded", "rate_limited"];
const NAMES = { day: "today", month: "this month", minute: "in this minute", at_once: "at the same time" };
const moment = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** Tell whether a problem is a refusal by the guard; a provider's limit in the middle of a run names no scope. */
export function isRefusal(problem) {
  return Boolean(problem && CODES.includes(problem.code) && problem.scope);
}

/** Return the notice that explains a refusal; `more` is put at its end. */
export function refusalPart(problem, more) {
  return h(
    "div",
    { class: "notice notice-attention", "data-problem": problem.code },
    icon("ban"),
    h(
      "div",
      { class: "items" },
      h("strong", {}, `Refused: ${problem.title}`),
      h("p", {}, problem.detail ?? ""),
      problem.limit > 0 ? bar(problem) : null,
      h("dl", { class: "facts" }, fact("What refused it", whose(problem)), fact("It frees", frees(problem)), fact("What helps", problem.remedy ?? "Wait until then and ask again.")),
      h("p", { class: "quiet" }, "Nothing was sent to a model, and nothing was charged."),
      more,
    ),
  );
}

function fact(name, text) {
  return text ? h("div", {}, h("dt", {}, name), h("dd", {}, text)) : null;
}

function whose({ code, scope, period, provider }) {
  if (code === "agent_circuit_open") return scope === "tenant" ? "the agent's circuit breaker, for your organisation alone" : "the agent's circuit breaker";
  if (scope === "provider") return `the rate limit of the model provider ${provider ?? ""}`.trim();
  const limit = code === "rate_limited" ? (period === "at_once" ? "runs at the same time" : "runs a minute") : `${code === "cost_budget_exceeded" ? "money" : "tokens"} a ${period}`;
  return `the limit of ${limit} of ${scope === "tenant" ? "your organisation" : "this agent in your organisation"}`;
}

function frees({ reset }) {
  const at = Date.parse(reset);
  if (Number.isNaN(at)) return "";
  const left = at - Date.now();
  return left <= 0 ? `since ${moment.format(at)}: you can ask again` : left < 600_000 ? `in ${duration(left)}` : moment.format(at);
}

function bar({ code, period, used, limit }) {
  const amount = (number) => (code === "cost_budget_exceeded" ? dollars(number) : code === "rate_limited" ? count(number, "run") : count(number, "token"));
  const drawn = svg("svg", { class: "budget-bar budget-attention", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    svg("rect", { class: "budget-ground", width: "100", height: "10" }),
    svg("rect", { class: "budget-used", width: String(Math.min(100, (100 * used) / limit)), height: "10" }));
  return h("div", { class: "budget" }, drawn, h("p", { class: "quiet" }, `${amount(used)} of ${amount(limit)} used or reserved ${NAMES[period] ?? ""}`));
}
