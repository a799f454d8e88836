// Small parts that views of structured documents share.

import { badge, h, icon, plain, svg } from "../dom.js";
import { human, label, number } from "../format.js";

const KINDS = {
  broken: ["circle-x", "critical high fail failed missed not_covered not_ready mismatch fatal error rising burst"],
  attention: ["triangle-alert", "medium partial conditional pending rework suspected warning not_measured not_automated"],
  healthy: ["circle-check", "pass passed covered ready met match confirmed falling completed"],
  paused: ["minus", "low info none unknown steady single debug"],
};
const KIND_OF = new Map(Object.entries(KINDS).flatMap(([kind, [iconName, words]]) => words.split(" ").map((word) => [word, [kind, iconName]])));
// Only these fields judge; "high" of a stability or a priority is no alarm.
const JUDGING = new Set(["severity", "status", "verdict", "level", "trend", "likelihood", "impact"]);
// Maps, not objects: a model may answer "constructor" where a word is expected.
const SEVERITIES = new Map([["critical", ["broken", "octagon-alert"]], ["high", ["broken", "triangle-alert"]], ["medium", ["attention", "circle-alert"]], ["low", ["paused", "info"]], ["info", ["paused", "info"]]]);

/** Return the semantic kind of a word: healthy, attention, broken or paused. */
export function kindOf(word) {
  return KIND_OF.get(plain(word).toLowerCase())?.[0] ?? "paused";
}

/** Return the badge of a severity: an icon of its own and the word. */
export function severity(word) {
  const [kind, iconName] = SEVERITIES.get(plain(word).toLowerCase()) ?? ["paused", "info"];
  return badge(kind, iconName, human(word));
}

/** Return the badge of the enumerated value of a field; it names the field where the word alone says too little. */
export function wordBadge(word, field = "status", named = false) {
  const [kind, iconName] = (JUDGING.has(field) && KIND_OF.get(plain(word).toLowerCase())) || ["plain", null];
  return badge(kind, iconName, named ? `${label(field)}: ${human(word)}` : human(word));
}

/** Return a drawn bar filled to `share` (0 to 1). It accompanies a number, so it is hidden from readers. */
export function bar(share, kind = "accent") {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return svg(
    "svg",
    { class: "bar-drawing", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    svg("rect", { class: "bar-ground", x: 0, y: 0, width: 100, height: 8 }),
    svg("rect", { class: `bar-${kind}`, x: 0, y: 0, width: width.toFixed(1), height: 8 }),
  );
}

/** Return the kind of a score's share: three quarters and more is healthy, half is attention. */
export function kindOfShare(share) {
  if (share >= 0.75) return "healthy";
  return share >= 0.5 ? "attention" : "broken";
}

/** Return a labelled bar with its value. */
export function scoreBar(name, value, most, kind = kindOfShare(value / most)) {
  return h("div", { class: "bar" }, h("span", {}, name), bar(value / most, kind), h("span", { class: "bar-value" }, `${number(value)} / ${number(most)}`));
}

/** Return a share of 1 as a small bar and per cent. */
export function share(value, kind = "accent") {
  return h("span", { class: "share" }, bar(value, kind), h("span", {}, `${Math.round(value * 100)} %`));
}

/** Return ids as chips; those that are known in this document lead there. */
export function chips(values, known = new Set()) {
  return h("ul", { class: "chips" }, values.map((value) => h("li", {}, chip(value, known))));
}

/** Return one id as a chip. */
export function chip(value, known = new Set()) {
  const text = plain(value);
  return known.has(text) ? h("button", { class: "chip", type: "button", "data-ref": text, title: "Show it" }, text) : h("span", { class: "chip" }, text);
}

/** Return texts as a list. */
export function points(values, ordered = false) {
  return h(ordered ? "ol" : "ul", { class: "points" }, values.map((value) => h("li", {}, value)));
}

/** Return yes or no with an icon. */
export function yesNo(value) {
  return h("span", { class: "with-icon" }, icon(value ? "check" : "x"), value ? "Yes" : "No");
}

/** Return a fold that shows more. It stays as the reader left it while the document grows. */
export function more(title, ...body) {
  return h("details", { class: "more" }, h("summary", {}, icon("chevron-right"), title), h("div", { class: "more-body" }, body));
}

/** Return a titled part of a document, which the row of sections leads to. */
export function part(key, title, amount, ...body) {
  return h("section", { class: "part", "data-part": key }, h("h3", { class: "part-title" }, title, amount === null ? null : h("span", { class: "part-count" }, number(amount))), body);
}

/** Return a table; `columns` are [title, cell(row), className?]. */
export function table(columns, rows, idOf = () => null) {
  return h(
    "div",
    { class: "table-wrap" },
    h(
      "table",
      { class: "table" },
      h("thead", {}, h("tr", {}, columns.map(([title, , className]) => h("th", { scope: "col", class: className ?? null }, title)))),
      h("tbody", {}, rows.map((row) => h("tr", { "data-id": idOf(row) }, columns.map(([, cell, className]) => h("td", { class: className ?? null }, cell(row)))))),
    ),
  );
}
