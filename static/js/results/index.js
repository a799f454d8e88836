// From a structured document, complete or growing, to its view. Parts with a reader of their own are listed here;
// every other field falls to the generic view, so any schema is readable.

import { badge, h } from "../dom.js";
import { label, number } from "../format.js";
import { isScores, section } from "./generic.js";
import { kindOf, wordBadge } from "./pieces.js";
import { assumptions, coverage, gaps, risks, source, stories } from "./stories.js";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isList = (value) => Array.isArray(value) && value.every((each) => each === null || isObject(each));
const has = (key) => (value) => isList(value) && (value.length === 0 || key in (value[0] ?? {}) || value.length === 1);

const READERS = new Map([
  ["stories", [has("acceptance_criteria"), stories]],
  ["coverage", [has("requirement"), coverage]],
  ["source", [(value) => isObject(value) && "documents" in value, source]],
  ["gaps", [has("question"), gaps]],
  ["assumptions", [has("statement"), assumptions]],
  ["risks", [has("likelihood"), risks]],
]);

/**
 * Return the view of `document` as a fragment. `memory` is a Map that the caller keeps as long as the document
 * grows; `live` says that its last piece may be unfinished.
 */
export function render(document_, { memory, live }) {
  const context = { memory, live, known: ids(document_) };
  const fragment = document.createDocumentFragment();
  if (!isObject(document_)) {
    fragment.append(h("div", { class: "document" }, section("result", document_, context)));
    return fragment;
  }
  const entries = Object.entries(document_);
  const parts = entries.map(([key, value]) => {
    const [fits, reader] = READERS.get(key) ?? [];
    return fits?.(value) ? reader(key, value, context) : section(key, value, context);
  });
  const glance = facts(document_);
  fragment.append(
    h(
      "div",
      { class: "document" },
      h("ul", { class: "glance", "aria-label": "At a glance", hidden: glance.length === 0 }, glance),
      h("div", { class: "sections", role: "group", "aria-label": "Parts of this document", hidden: entries.length < 4 }, entries.map(([key, value]) => h("button", { class: "section-link", type: "button", "data-jump": key }, sectionName(key, value)))),
      parts,
    ),
  );
  return fragment;
}

function sectionName(key, value) {
  return Array.isArray(value) ? `${label(key)} ${number(value.length)}` : label(key);
}

/** Collect what has an id, so that references to it can lead there. */
function ids(value, found = new Set()) {
  if (Array.isArray(value)) for (const each of value) ids(each, found);
  else if (isObject(value)) {
    for (const key of ["id", "requirement"]) if (typeof value[key] === "string" && value[key] !== "") found.add(value[key]);
    for (const each of Object.values(value)) if (typeof each === "object") ids(each, found);
  }
  return found;
}

/** Return what decides: verdicts, scores, counts. */
function facts(document_) {
  const result = [];
  if (isList(document_.stories)) result.push(stat("Stories", number(document_.stories.length)));
  for (const key of ["quality", "readiness"]) {
    const value = document_[key];
    if (isScores(value)) result.push(stat(label(key), [number(value.total), h("small", {}, ` / ${dimensionsOf(value) * 5}`)], value.verdict));
    else if (isObject(value) && value.verdict) result.push(stat(label(key), null, value.verdict));
  }
  if (typeof document_.risk?.score === "number") result.push(stat("Risk", [number(document_.risk.score), h("small", {}, " / 100")], document_.risk.level));
  if (document_.decision?.verdict) result.push(stat("Decision", null, document_.decision.verdict));
  if (typeof document_.coverage?.percent === "number") result.push(stat("Coverage", `${number(document_.coverage.percent)} %`));
  if (isList(document_.coverage)) result.push(covered(document_.coverage));
  if (isObject(document_.severity_counts)) result.push(...severities(document_.severity_counts));
  if (isList(document_.sla)) result.push(targets(document_.sla));
  if (isList(document_.patterns)) result.push(stat("Patterns", number(document_.patterns.length)));
  if (isList(document_.gaps)) result.push(open(document_.gaps));
  return result;
}

function dimensionsOf(value) {
  return Object.entries(value).filter(([key, each]) => Number.isInteger(each) && key !== "total" && key !== "pass_mark").length;
}

function covered(values) {
  const full = values.filter((each) => each?.status === "covered").length;
  return stat("Requirements covered", [number(full), h("small", {}, ` of ${values.length}`)]);
}

function targets(values) {
  const met = values.filter((each) => each?.status === "met").length;
  return stat("Targets met", [number(met), h("small", {}, ` of ${values.length}`)]);
}

function severities(counts) {
  return Object.entries(counts).filter(([, value]) => typeof value === "number" && value > 0).map(([key, value]) => stat(label(key), number(value), null, kindOf(key)));
}

function open(values) {
  const grave = values.filter((each) => each?.severity === "critical" || each?.severity === "high").length;
  return stat("Gaps", number(values.length), null, null, grave ? badge("broken", "triangle-alert", `${number(grave)} high or critical`) : null);
}

function stat(name, value, verdict = null, kind = null, note = null) {
  return h("li", { class: `stat${kind ? ` stat-${kind}` : ""}` }, h("span", { class: "stat-name" }, name), value === null ? null : h("span", { class: "stat-value" }, value), verdict ? h("span", {}, wordBadge(verdict, "verdict")) : null, note ? h("span", {}, note) : null);
}
