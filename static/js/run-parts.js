// What surrounds a run's result: status, actions, notices, problem and cost. Nodes from the run view's state.

import { badge, h, icon } from "./dom.js";
import { count, dollars, duration } from "./format.js";
import { isRefusal, refusalPart } from "./refusal.js";
import { advice } from "./run-steps.js";

export const STATUS = {
  starting: ["accent", "loader", "Starting"], queued: ["paused", "clock", "Queued"], running: ["accent", "loader", "Running"],
  completed: ["healthy", "circle-check", "Completed"], truncated: ["attention", "triangle-alert", "Cut short"],
  failed: ["broken", "circle-x", "Failed"], cancelled: ["paused", "circle-stop", "Stopped"], awaiting_approval: ["attention", "hourglass", "Awaiting approval"],
};
const REASONS = {
  stable: "This is the newest version that everybody has.",
  rollout: "This version is being rolled out step by step, and your organisation is among those who have it already.",
  pin: "Your organisation has pinned this version.",
};

/** Return the head of a run: status, demo label, time so far, and what can be done now. */
export function headParts(state, { mayStop, mayRetry }) {
  const refused = state.ended && isRefusal(state.problem);
  const [kind, iconName, word] = refused ? ["attention", "ban", "Refused"] : STATUS[state.status] ?? ["paused", "circle-dot", state.status];
  const shown = badge(kind, iconName, word);
  if (iconName === "loader") shown.firstChild.classList.add("spin");
  return [
    shown,
    state.demo ? h("span", { class: "badge badge-attention tip tip-start", tabindex: "0", "data-tip": "Composed by the demo model's rules, not by a language model." }, icon("flask-conical"), "Demo output") : null,
    state.ended ? null : h("span", { class: "quiet number" }, duration(state.elapsed)),
    h("div", { class: "run-actions" }, state.ended ? afterwards(state, mayRetry) : mayStop ? stop(state) : null),
  ];
}

function stop(state) {
  return h("button", { class: "button button-stop", type: "button", "data-act": "stop", disabled: Boolean(state.stopping) }, icon("square"), state.stopping ? "Stopping" : "Stop");
}

function afterwards(state, mayRetry) {
  const act = (name, iconName, word) => h("button", { class: "button button-quiet", type: "button", "data-act": name }, icon(iconName), word);
  const results = state.text ? [act("copy", "copy", "Copy"), act("markdown", "download", "Markdown"), act("json", "braces", "JSON"), state.runId ? word(state) : null] : [];
  return [mayRetry ? act("retry", "rotate-ccw", "Retry") : null, state.runId ? act("share", "link", "Link") : null, results];
}

/** The server makes this file from the run's record, so that it is the same for everybody. */
function word(state) {
  return h("a", { class: "button button-quiet", "data-act": "word", href: `/runs/${state.runId}/document.docx`, download: true }, icon("file-text"), "Word");
}

/** Return what a person has to know now: a lost connection, a cut answer, a problem. */
export function notes(state) {
  const notice = (text) => h("p", { class: "notice notice-attention" }, icon("triangle-alert"), h("span", {}, text));
  return [
    state.lost && !state.ended ? notice("The connection was lost. Trying to take up the run where it was.") : null,
    state.status === "truncated" ? notice("The answer reached the agent's token limit and was cut there. Ask for less at once.") : null,
    state.run?.fallback_from ? h("p", { class: "notice" }, icon("git-branch"), h("span", {}, `Answered by ${state.run.provider} ${state.run.model} in place of ${state.run.fallback_from}, which could not answer just then.`)) : null,
    isRefusal(state.problem) ? refusalPart(state.problem, identifiers(state, state.problem)) : state.problem ? problemPart(state, state.problem) : null,
  ];
}

function problemPart(state, problem) {
  const errors = Array.isArray(problem.errors) ? problem.errors.slice(0, 20) : [];
  return h(
    "div",
    { class: "notice notice-broken", "data-problem": problem.code },
    icon("circle-alert"),
    h(
      "div",
      { class: "items" },
      h("strong", {}, problem.title ?? "It did not work"),
      h("p", {}, problem.detail ?? ""),
      errors.length ? h("ul", {}, errors.map((error) => h("li", {}, h("span", { class: "mono" }, error.field), `: ${error.message}`))) : null,
      h("p", {}, advice(problem, state.retryAfter), problem.code === "not_authenticated" ? [" ", h("a", { href: "/sign-in/", target: "_blank" }, "Sign in")] : null),
      identifiers(state, problem),
    ),
  );
}

function identifiers(state, problem) {
  return [identifier("Run id", problem.run_id ?? state.runId), identifier("Request id", problem.request_id)];
}

function identifier(name, value) {
  return value ? h("p", { class: "quiet" }, `${name} `, h("span", { class: "mono" }, value), " ", copyButton(value, `Copy the ${name.toLowerCase()}`)) : null;
}

function copyButton(value, name) {
  return h("button", { class: "icon-button icon-button-small", type: "button", "data-copy": value, "aria-label": name }, icon("copy"));
}

/** Return the foot of a run: version and why, tokens, time and its id, as a link where `link` says so. */
export function footParts(state, { link, tied }) {
  const fact = (iconName, ...words) => h("span", { class: "fact" }, icon(iconName), words);
  const short = `run ${state.runId?.slice(-8)}`;
  return [
    tied && !state.ended ? fact("info", "Leaving this page ends the run") : null,
    version(state),
    state.usage ? fact("cpu", tokens(state.usage)) : null,
    state.ended && state.run?.cost ? fact("scale", `cost ${dollars(state.run.cost)}`) : null,
    state.ms && state.ended ? fact("clock", duration(state.ms)) : null,
    fact("link", link ? h("a", { href: `/runs/${state.runId}/`, class: "mono" }, short) : h("span", { class: "mono" }, short), copyButton(state.runId, "Copy the run id")),
  ];
}

function version(state) {
  const why = REASONS[state.reason] ?? null;
  const words = [icon("layers"), "version ", h("span", { class: "mono" }, state.version ?? ""), why ? ` (${state.reason})` : ""];
  return why ? h("span", { class: "fact tip tip-up tip-start", tabindex: "0", "data-tip": why }, words) : h("span", { class: "fact" }, words);
}

function tokens({ input_tokens: taken, output_tokens: given, estimated }) {
  return `${estimated ? "about " : ""}${count(taken + given, "token")} (${count(taken, "in", "in")}, ${count(given, "out", "out")})`;
}
