// What a run answered, as a file. Like the page, a file must not carry what a model could hide in it.

import { copy, download, plain } from "./dom.js";
import { label } from "./format.js";

/**
 * Return Markdown that shows the same and can do nothing: HTML is shown as text, images and links to anything but
 * the open web lose their syntax. Code blocks that start in the first column are kept as they are; inside any other
 * structure a fence may end earlier than it seems, so there everything is escaped.
 */
function inertMarkdown(text) {
  let fence = null;
  return plain(text)
    .split("\n")
    .map((line) => {
      const mark = /^(`{3,}|~{3,})(.*)$/.exec(line);
      if (fence) {
        if (mark && mark[1][0] === fence[0] && mark[1].length >= fence.length && mark[2].trim() === "") fence = null;
        return line;
      }
      if (mark && !(mark[1][0] === "`" && mark[2].includes("`"))) {
        fence = mark[1];
        return line;
      }
      return inertLine(line);
    })
    .join("\n");
}

function inertLine(line) {
  return line
    .replace(/<(?=[a-zA-Z/!?])/g, "&lt;")
    .replace(/!\[/g, "!\\[")
    .replace(/\]\((?!\s*(?:https?:\/\/|mailto:|#))/gi, "]\\(")
    .replace(/\]:(?!\s*(?:https?:\/\/|mailto:))/gi, "]\\:");
}

/** Return a structured document as Markdown: fields become headings, lists of objects become sections. */
function documentMarkdown(title, value) {
  const lines = [`# ${escaped(title)}`, ""];
  write(lines, value, 2);
  return `${lines.join("\n").replace(/\n{3,}/g, "\n\n").trim()}\n`;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function write(lines, value, level) {
  if (Array.isArray(value)) {
    for (const [index, each] of value.entries()) {
      if (isObject(each)) {
        lines.push("", heading(level, nameOf(each, index)), "");
        write(lines, each, level + 1);
      } else lines.push(`- ${inline(each)}`);
    }
  } else if (isObject(value)) {
    for (const [key, each] of Object.entries(value)) field(lines, key, each, level);
  } else lines.push(inline(value));
}

function field(lines, key, value, level) {
  const isList = Array.isArray(value);
  if ((isList && value.some(isObject)) || isObject(value)) {
    lines.push("", heading(level, label(key)), "");
    write(lines, value, level + 1);
  } else if (isList) {
    lines.push(`- **${escaped(label(key))}**:${value.length ? "" : " none"}`, ...value.map((each) => `  - ${inline(each)}`));
  } else if (typeof value === "string" && value.includes("\n")) {
    lines.push("", `**${escaped(label(key))}**`, "", ...fenced(value), "");
  } else lines.push(`- **${escaped(label(key))}**: ${inline(value)}`);
}

function heading(level, text) {
  return `${"#".repeat(Math.min(level, 6))} ${text}`;
}

function nameOf(value, index) {
  const name = ["title", "name", "statement", "description"].map((key) => value[key]).find((each) => typeof each === "string");
  return [value.id, name].filter((each) => typeof each === "string").map(escaped).join(" ") || String(index + 1);
}

/** A fence longer than any run of backticks inside, so that the text cannot leave it. */
function fenced(text) {
  const longest = Math.max(2, ...(plain(text).match(/`+/g) ?? []).map((each) => each.length));
  return ["`".repeat(longest + 1), ...plain(text).split("\n"), "`".repeat(longest + 1)];
}

function inline(value) {
  if (value === null || value === undefined || value === "") return "not stated";
  return escaped(value);
}

function escaped(text) {
  return plain(text).replace(/\s*\n\s*/g, " ").replace(/[\\`*_{}[\]<>#|!~]/g, "\\$&");
}

/** Give the person a run's answer or its address: `how` is copy, share, markdown or json; a link serves the rest. */
export function handOut(how, agent, state) {
  const title = `${agent.name ?? agent.agent_id}, run ${state.runId ?? ""}${state.demo ? " (demo output)" : ""}`;
  const asMarkdown = state.value === undefined ? inertMarkdown(state.text) : documentMarkdown(title, state.value);
  const name = (ending) => `${agent.agent_id}-${(state.runId ?? "run").slice(-8)}.${ending}`.replace(/[^a-z0-9.-]/gi, "-");
  if (how === "share") copy(new URL(`/runs/${state.runId}/`, location.href).href, "Link copied. It opens for members who may see this agent's runs.");
  else if (how === "copy") copy(state.value === undefined ? state.text : asMarkdown);
  else if (how === "markdown") download(name("md"), "text/markdown", asMarkdown);
  else if (how === "json") download(name("json"), "application/json", JSON.stringify(state.value ?? state.run ?? { output: state.text }, null, 2));
}
