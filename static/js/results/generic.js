// A readable view of any JSON document, driven by shape: objects as definitions, lists of objects as tables or cards.

import { h, plain } from "../dom.js";
import { label, number } from "../format.js";
import { chip, chips, kindOf, more, part, points, scoreBar, severity, share, table, wordBadge, yesNo } from "./pieces.js";

const TITLES = ["title", "name", "signature", "check", "criterion", "requirement", "object", "element", "component", "test", "flow", "profile", "path", "action", "finding", "risk", "statement", "subject", "condition", "factor", "description", "query"];
const BADGES = new Set(["severity", "priority", "status", "verdict", "kind", "level", "trend", "effort", "impact", "likelihood", "type", "change", "strategy", "environment", "stability", "expected", "category", "masking", "method", "metric", "tool", "language", "pattern", "lock", "regulation", "source"]);
// These words speak for themselves beside a title; the others name their field.
const SELF_EVIDENT = new Set(["severity", "priority", "status", "verdict", "kind", "type", "method", "regulation", "change"]);
const CODES = new Set(["code", "gherkin", "content", "check_sql", "rollback", "before", "after", "query", "example", "statement"]);
const UNITS = [[/_ms$/, " ms"], [/_seconds$/, " s"], [/_percent$|^percent$/, " %"], [/_hours$/, " h"]];
const ID = /^[A-Za-z0-9][\w.:/#-]{0,39}$/;
const FOLDED = 16;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isWord = (value) => typeof value === "string" && value.length <= 28 && /^[A-Za-z0-9][\w.:/+-]*$/.test(value);
const isEmpty = (value) => value === null || value === "" || (Array.isArray(value) && value.length === 0);
const isBlock = (key, value) => typeof value === "string" && value.includes("\n") && (CODES.has(key) || /[;{}]\s*$/m.test(value));
const isLine = (key, value) => typeof value === "string" && !value.includes("\n") && (CODES.has(key) ? /[;{}()=<>]/.test(value) : key === "evidence" && /^[<{["`]/.test(value));
const isSteps = (value) => Array.isArray(value) && value.length > 0 && value.every((each) => isObject(each) && typeof each.action === "string" && Object.keys(each).every((key) => key === "action" || key === "expected"));
const nameOf = (key) => label(key.replace(/_(ms|seconds|percent|hours)$/, ""));

/** Return the view of a value under `key`. `context` has `known` ids and `memory`, layouts once decided. */
export function view(key, value, context, path = key) {
  if (value === null || value === undefined) return h("span", { class: "none" }, "Not stated");
  if (typeof value === "boolean") return yesNo(value);
  if (typeof value === "number") return amount(key, value);
  if (typeof value === "string") return words(key, value, context);
  if (Array.isArray(value)) return list(key, value, context, path);
  if (isScores(value)) return scores(value, context);
  return isCounts(value) ? counts(value) : pairs(value, context, path);
}

const isCounts = (value) => Object.keys(value).length >= 3 && Object.values(value).every((each) => typeof each === "number");

function counts(value) {
  return h("ul", { class: "glance" }, Object.entries(value).map(([key, each]) => h("li", { class: "stat" }, h("span", { class: "stat-name" }, nameOf(key)), h("span", { class: "stat-value" }, number(each)))));
}

function amount(key, value) {
  if (/confidence|probability|similarity/.test(key) && value >= 0 && value <= 1) return share(value);
  if (/percent$/.test(key) && value >= 0 && value <= 100) return share(value / 100);
  const unit = UNITS.find(([pattern]) => pattern.test(key))?.[1] ?? "";
  return h("span", {}, number(value) + unit);
}

function words(key, value, context) {
  if (value.trim() === "") return h("span", { class: "none" }, "Not stated");
  if (key === "severity" || key === "likelihood" || (key === "impact" && isWord(value))) return severity(value);
  if (isBlock(key, value)) return h("pre", { class: "code" }, value);
  if (BADGES.has(key) && isWord(value)) return wordBadge(value, key);
  if (context.known.has(value)) return chip(value, context.known);
  if (isLine(key, value)) return h("code", { class: "code-line" }, value);
  if (/^[a-z]+(_[a-z]+)+$/.test(value)) return h("span", {}, label(value));
  return h("p", { class: "text" }, value);
}

function list(key, values, context, path) {
  if (values.length === 0) return h("span", { class: "none" }, "None");
  if (isSteps(values)) return stepList(values);
  if (values.every(isObject)) return isTable(values, context, path) ? rows(values, context) : cards(values, context, path);
  if (values.every((value) => typeof value === "string" && ID.test(value))) return chips(values, context.known);
  return points(values.map((value) => (typeof value === "object" ? view(key, value, context, path) : plain(value))), /^(steps|main)$/.test(key));
}

function stepList(values) {
  return h("ol", { class: "points" }, values.map((each) => h("li", {}, each.action, each.expected ? h("span", { class: "quiet" }, ` → ${each.expected}`) : null)));
}

/** Decide table or cards from what is complete, and keep to it, so that nothing jumps while it grows. */
function isTable(values, context, path) {
  const settled = context.live ? values.slice(0, -1) : values;
  if (!context.memory.has(path)) {
    if (settled.length === 0) return false;
    const keys = new Set(settled.flatMap((value) => Object.keys(value)));
    const fits = settled.every((value) => Object.entries(value).every(([key, cell]) => isCell(key, cell)));
    const long = [...keys].filter((key) => settled.some((value) => plain(value[key] ?? "").length > 40)).length;
    context.memory.set(path, fits && keys.size <= 6 && long <= 2);
  }
  return context.memory.get(path);
}

function isCell(key, value) {
  if (Array.isArray(value)) return value.every((each) => typeof each !== "object" && plain(each).length <= 60) && value.length <= 8;
  return !isObject(value) && !isBlock(key, value) && plain(value).length <= 180;
}

function rows(values, context) {
  const keys = [...new Set(values.flatMap((value) => Object.keys(value)))];
  const cell = (key) => (row) => {
    if (!(key in row)) return "";
    if (key === "id") return chip(row[key]);
    return view(key, row[key], context);
  };
  const isNumber = (key) => values.every((value) => typeof value[key] === "number") && !/confidence|percent/.test(key);
  return table(keys.map((key) => [nameOf(key), cell(key), isNumber(key) ? "number" : null]), values, (row) => row.id ?? null);
}

function cards(values, context, path) {
  const isNarrow = values.every((value) => Object.entries(value).every(([key, each]) => !isBlock(key, each) && !isObject(each) && (isSteps(each) || !Array.isArray(each) || !each.some(isObject))));
  return h("div", { class: `items${isNarrow ? " items-wide" : ""}` }, values.map((value) => card(value, context, path)));
}

/** Return one object as a card: id, title and badges in its head, short facts in a row, the rest as definitions. */
export function card(value, context, path) {
  const title = TITLES.find((key) => typeof value[key] === "string" && value[key] !== "" && !isBlock(key, value[key]));
  const marks = Object.keys(value).filter((key) => key !== title && BADGES.has(key) && isWord(value[key]));
  const shown = new Set(["id", "rank", title, ...marks]);
  const rest = Object.entries(value).filter(([key, each]) => !shown.has(key) && !isEmpty(each));
  const short = rest.filter(([key, each]) => isMini(key, each));
  const long = rest.filter(([key, each]) => !isMini(key, each));
  const lead = value.id ?? value.rank;
  return h(
    "article",
    { class: `item${value.severity ? ` item-${kindOf(value.severity)}` : ""}`, "data-id": typeof value.id === "string" ? value.id : null },
    h(
      "div",
      { class: "item-head" },
      lead === undefined ? null : h("span", { class: "chip" }, plain(lead)),
      title ? h("h4", { class: "item-title" }, value[title]) : null,
      marks.map((key) => (key === "severity" ? severity(value[key]) : wordBadge(value[key], key, !SELF_EVIDENT.has(key)))),
    ),
    long.length ? pairs(Object.fromEntries(long), context, path) : null,
    short.length ? h("dl", { class: "minis" }, short.map(([key, each]) => h("div", { class: "mini" }, h("dt", {}, nameOf(key)), h("dd", {}, view(key, each, context, path))))) : null,
  );
}

function isMini(key, value) {
  if (Array.isArray(value)) return value.length <= 3 && value.every((each) => typeof each === "string" && ID.test(each));
  return typeof value !== "object" && plain(value).length <= 24 && plain(value).split(" ").length <= 3 && !isLine(key, value);
}

function pairs(value, context, path) {
  const entries = Object.entries(value);
  if (entries.length === 0) return h("span", { class: "none" }, "Nothing");
  return h("dl", { class: "pairs" }, entries.map(([key, each]) => pair(key, each, context, `${path}.${key}`)));
}

function pair(key, value, context, path) {
  const lines = isBlock(key, value) ? value.split("\n").length : 0;
  const name = nameOf(key);
  const isWide = lines > 0 || isObject(value) || (Array.isArray(value) && !isSteps(value) && value.some(isObject));
  // A long listing is folded, and the fold's own line names it.
  if (lines > FOLDED) return h("div", { class: "pair pair-wide" }, h("dt", { class: "visually-hidden" }, name), h("dd", {}, more(`${name}, ${lines} lines`, h("pre", { class: "code" }, value))));
  return h("div", { class: `pair${isWide ? " pair-wide" : ""}` }, h("dt", {}, name), h("dd", {}, view(key, value, context, path)));
}

/** Tell whether an object is a score card: a total over at least three small whole numbers. */
export function isScores(value) {
  return isObject(value) && typeof value.total === "number" && dimensions(value).length >= 3;
}

function dimensions(value) {
  return Object.entries(value).filter(([key, each]) => key !== "total" && key !== "pass_mark" && Number.isInteger(each) && each >= 0 && each <= 5);
}

/** Return a score card: total, verdict, a bar per dimension and the reasons. */
export function scores(value, context) {
  const each = dimensions(value);
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !["total", "verdict", "pass_mark", ...each.map(([name]) => name)].includes(key)));
  return h(
    "div",
    { class: "items" },
    h(
      "div",
      { class: "score-total" },
      h("span", { class: "score-number" }, `${number(value.total)} / ${each.length * 5}`),
      value.verdict ? wordBadge(value.verdict, "verdict") : null,
      typeof value.pass_mark === "number" ? h("span", { class: "quiet" }, `${number(value.pass_mark)} passes`) : null,
    ),
    h("div", { class: "bars" }, each.map(([key, score]) => scoreBar(label(key), score, 5))),
    Object.keys(rest).length ? pairs(rest, context, "scores") : null,
  );
}

/** Return a top-level field as a part of the document. */
export function section(key, value, context) {
  if (key === "summary" && typeof value === "string") return part(key, "Summary", null, h("p", { class: "summary" }, value));
  const size = Array.isArray(value) ? value.length : null;
  return part(key, label(key), size, view(key, value, context));
}
