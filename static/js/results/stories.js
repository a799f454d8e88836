// Requirements work: user stories with their criteria, coverage of the source, gaps, assumptions and risks.

import { badge, h } from "../dom.js";
import { label, number } from "../format.js";
import { isScores, scores, view } from "./generic.js";
import { chip, chips, kindOf, kindOfShare, more, part, points, severity, share, table, wordBadge } from "./pieces.js";

const BASIS = new Map([["stated", ["healthy", "check", "Stated"]], ["derived", ["paused", "corner-down-left", "Derived"]], ["assumed", ["attention", "triangle-alert", "Assumed"]]]);
const ORDER = ["critical", "high", "medium", "low"];
const some = (value) => Array.isArray(value) && value.length > 0;

/** Return the stories as cards. */
export function stories(key, values, context) {
  return part(key, "User stories", values.length, h("div", { class: "items" }, values.map((each) => story(each ?? {}, context))));
}

function story(value, context) {
  return h(
    "article",
    { class: "story", "data-id": value.id ?? null },
    h(
      "div",
      { class: "story-head" },
      value.id ? h("span", { class: "chip" }, value.id) : null,
      h("h4", { class: "story-title" }, value.title ?? "…"),
      value.kind === "enabler" ? badge("plain", "wrench", "Enabler") : null,
      value.priority ? badge(value.priority === "must" ? "accent" : "plain", "flag", label(value.priority)) : null,
      isScores(value.quality) ? quality(value.quality) : null,
    ),
    value.as_a ? voice(value) : null,
    some(value.acceptance_criteria) ? criteria(value.acceptance_criteria, context) : null,
    some(value.source_refs) ? h("div", { class: "item-head" }, h("span", { class: "sub" }, "From"), chips(value.source_refs, context.known)) : null,
    beyond(value, context),
  );
}

function quality(value) {
  const most = Object.keys(value).filter((key) => !["total", "verdict", "reason", "pass_mark"].includes(key)).length * 5;
  return badge(value.verdict === "pass" ? "healthy" : "attention", value.verdict === "pass" ? "circle-check" : "triangle-alert", `${number(value.total)} / ${most}${value.verdict ? ` ${label(value.verdict).toLowerCase()}` : ""}`);
}

function voice(value) {
  return h(
    "p",
    { class: "story-voice" },
    h("b", {}, "As "),
    value.as_a,
    value.i_want ? [", ", h("b", {}, "I want "), value.i_want] : null,
    value.so_that ? [", ", h("b", {}, "so that "), value.so_that] : null,
  );
}

function criteria(values, context) {
  return h(
    "div",
    { class: "items" },
    h("h5", { class: "sub" }, `Acceptance criteria (${values.length})`),
    h("ul", { class: "criteria" }, values.map((each) => criterion(each ?? {}, context))),
  );
}

function criterion(value, context) {
  const [kind, iconName, word] = BASIS.get(value.basis) ?? [];
  return h(
    "li",
    { class: "criterion", "data-id": value.id ?? null },
    h(
      "div",
      { class: "criterion-head" },
      value.id ? h("span", { class: "chip" }, value.id) : null,
      word ? badge(kind, iconName, word) : null,
      some(value.source_refs) ? value.source_refs.map((ref) => chip(ref, context.known)) : null,
    ),
    ["given", "when", "then"].filter((step) => value[step]).map((step) => [h("span", { class: "criterion-word" }, label(step)), h("span", {}, value[step])]),
  );
}

function beyond(value, context) {
  const parts = [
    value.flow ? ["flow", block("Flow", view("flow", value.flow, context, "story.flow"))] : null,
    some(value.edge_cases) ? ["edge cases", block("Edge cases", points(value.edge_cases))] : null,
    some(value.negative_cases) ? ["negative cases", block("Negative cases", points(value.negative_cases))] : null,
    some(value.non_functional) ? ["non-functional needs", block("Non-functional needs", needs(value.non_functional))] : null,
    some(value.dependencies) ? ["dependencies", block("Dependencies", dependencies(value.dependencies, context))] : null,
    some(value.source_quotes) ? ["source", block("In the source's words", value.source_quotes.map((quote) => h("p", { class: "quote" }, quote)))] : null,
    isScores(value.quality) ? ["quality", block("Quality", scores(value.quality, context))] : null,
  ].filter(Boolean);
  if (parts.length === 0) return null;
  const names = parts.map(([name]) => name).join(", ");
  return more(names.charAt(0).toUpperCase() + names.slice(1), parts.map(([, body]) => body));
}

function block(title, ...body) {
  return h("div", { class: "items" }, h("h5", { class: "sub" }, title), body);
}

function needs(values) {
  return table([["Category", (each) => label(each.category ?? "")], ["Need", (each) => each.need ?? ""], ["Target", (each) => each.target ?? "Not stated"]], values);
}

function dependencies(values, context) {
  return table([["Depends on", (each) => (each.on ? chip(each.on, context.known) : "")], ["Kind", (each) => label(each.kind ?? "")], ["Why", (each) => each.reason ?? ""]], values);
}

/** Return which requirement is covered by which stories. */
export function coverage(key, values, context) {
  const columns = [
    ["Requirement", (each) => chip(each.requirement ?? "…")],
    ["What it says", (each) => each.text ?? ""],
    ["Status", (each) => (each.status ? wordBadge(each.status) : "")],
    ["Stories", (each) => (some(each.stories) ? chips(each.stories, context.known) : h("span", { class: "none" }, "None"))],
    ["Tests", (each) => (typeof each.estimated_tests === "number" ? number(each.estimated_tests) : ""), "number"],
  ];
  if (values.some((each) => each?.note)) columns.push(["Note", (each) => each.note ?? ""]);
  return part(key, "Coverage", values.length, table(columns, values.map((each) => each ?? {}), (each) => each.requirement ?? null));
}

/** Return where the document was read from and how much of it was found. */
export function source(key, value) {
  const { requirements_found: found, requirements_covered: covered } = value;
  return part(
    key,
    "Source",
    null,
    h(
      "dl",
      { class: "pairs" },
      some(value.documents) ? h("div", { class: "pair" }, h("dt", {}, "Documents"), h("dd", {}, chips(value.documents))) : null,
      typeof found === "number" ? h("div", { class: "pair" }, h("dt", {}, "Requirements"), h("dd", {}, typeof covered === "number" && found > 0 ? h("span", { class: "with-icon" }, `${number(covered)} of ${number(found)} covered`, share(covered / found, kindOfShare(covered / found))) : number(found))) : null,
    ),
  );
}

/** Return gaps, the worst first once all are known, each with the question that would close it. */
export function gaps(key, values, context) {
  const listed = values.filter(Boolean);
  const sorted = context.live ? listed : [...listed].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return part(key, "Gaps", values.length, values.length ? h("div", { class: "items items-wide" }, sorted.map((each) => gap(each, context))) : h("p", { class: "none" }, "None found"));
}

function gap(value, context) {
  return h(
    "article",
    { class: `item item-${kindOf(value.severity)}`, "data-id": value.id ?? null },
    h(
      "div",
      { class: "item-head" },
      value.severity ? severity(value.severity) : null,
      value.id ? h("span", { class: "chip" }, value.id) : null,
      value.category ? badge("plain", null, label(value.category)) : null,
      some(value.source_refs) ? value.source_refs.map((ref) => chip(ref, context.known)) : null,
    ),
    value.description ? h("p", { class: "text" }, value.description) : null,
    value.quote ? h("p", { class: "quote" }, value.quote) : null,
    value.question ? h("p", { class: "text" }, h("strong", {}, "Ask: "), value.question) : null,
  );
}

/** Return assumptions as cards: the statement, why it was made and what breaks if it is wrong. */
export function assumptions(key, values, context) {
  const one = (value) =>
    h(
      "article",
      { class: "item", "data-id": value.id ?? null },
      h("div", { class: "item-head" }, value.id ? h("span", { class: "chip" }, value.id) : null, h("h4", { class: "item-title" }, value.statement ?? "…"), some(value.source_refs) ? value.source_refs.map((ref) => chip(ref, context.known)) : null),
      value.reason ? h("p", { class: "text" }, h("span", { class: "sub" }, "Why: "), value.reason) : null,
      value.impact_if_wrong ? h("p", { class: "text" }, h("span", { class: "sub" }, "If it is wrong: "), value.impact_if_wrong) : null,
    );
  return part(key, "Assumptions", values.length, values.length ? h("div", { class: "items items-wide" }, values.filter(Boolean).map(one)) : h("p", { class: "none" }, "None were made"));
}

/** Return risks with likelihood, impact and what to do about them. */
export function risks(key, values, context) {
  const columns = [
    ["Risk", (each) => [each.id ? h("span", { class: "chip" }, each.id) : null, " ", each.description ?? each.risk ?? ""]],
    ["Likelihood", (each) => (each.likelihood ? severity(each.likelihood) : "")],
    ["Impact", (each) => (each.impact ? severity(each.impact) : "")],
    ["What to do", (each) => each.mitigation ?? each.response ?? ""],
    ["From", (each) => (some(each.source_refs) ? chips(each.source_refs, context.known) : "")],
  ];
  return part(key, "Risks", values.length, values.length ? table(columns, values.map((each) => each ?? {}), (each) => each.id ?? null) : h("p", { class: "none" }, "None named"));
}
