// The page of one agent's override: rules and effective prompt while somebody types, and a trial before saving.

import { ask, call, Refusal } from "./api.js";
import { copy, h, icon, toast } from "./dom.js";
import { read } from "./events.js";

const PAUSE = 400;
const NAMES = { base: ["layers", "Agent"], locked: ["lock", "Locked by the platform"], tenant: ["building-2", "Yours"], template: ["braces", "Your template"] };
const form = document.querySelector("[data-override]");
const path = `/tenant/agents/${encodeURIComponent(form.dataset.override)}/config`;
const at = (name) => form.querySelector(`[data-${name}]`);
let prompt = null;
let asked = 0;

function json(name, empty) {
  const raw = form.elements[name].value.trim();
  return raw ? JSON.parse(raw) : empty;
}

/** The draft as the API takes it; throws where a document is no JSON. */
function draft() {
  const text = (name) => form.elements[name].value || null;
  return {
    custom_prompt: text("custom_prompt"),
    prompt_override_mode: form.elements.prompt_override_mode.value || "append",
    acknowledge_replace: form.elements.acknowledge_replace?.checked ?? false,
    llm_provider_override: text("llm_provider_override"),
    llm_model_override: text("llm_model_override"),
    fallbacks: form.elements.fallbacks.value,
    pinned_version: text("pinned_version"),
    max_tokens_override: form.elements.max_tokens_override.value ? Number(form.elements.max_tokens_override.value) : null,
    custom_tags: form.elements.custom_tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
    custom_output_template: json("custom_output_template", null),
    approval_workflow_override: json("approval_workflow_override", null),
    metadata: json("metadata", {}),
  };
}

function finding(text) {
  return h("p", { class: "finding" }, icon("circle-alert"), h("span", {}, text));
}

function show({ effective, problem, characters, tokens }) {
  at("count").textContent = characters ? `${characters.toLocaleString()} of 10,000 characters` : "";
  const told = problem ? (problem.errors ?? []).map((each) => each.message) : [];
  at("findings").replaceChildren(...(problem ? (told.length ? told : [problem.detail]).map(finding) : []));
  if (!effective) return;
  at("tokens").textContent = tokens.toLocaleString();
  prompt = effective.system_prompt.value;
  at("layers").replaceChildren(
    ...effective.layers.map(({ kind, text }) =>
      h(
        "div",
        { class: `layer layer-${kind}` },
        h("span", { class: "layer-name" }, icon(NAMES[kind][0]), NAMES[kind][1]),
        h("pre", { class: "layer-text", ...(kind === "base" && { tabindex: 0, role: "group", "aria-label": "The agent's own prompt" }) }, text),
      ),
    ),
  );
}

async function preview() {
  const number = ++asked;
  let answer;
  try {
    answer = await ask("POST", `${path}/preview`, { body: draft() });
  } catch (error) {
    const told = error instanceof Refusal ? error.message : "One of the JSON fields is not valid JSON yet.";
    answer = { effective: null, problem: { detail: told }, characters: form.elements.custom_prompt.value.length };
  }
  if (number === asked) show(answer);
}

let timer;
form.addEventListener("input", (event) => {
  if (event.target.matches("[data-trial-input]")) return;
  at("replace").hidden = form.elements.prompt_override_mode.value !== "replace";
  clearTimeout(timer);
  timer = setTimeout(preview, PAUSE);
});

at("copy-prompt").addEventListener("click", async () => {
  if (prompt === null) await preview();
  if (prompt !== null) copy(prompt, "The prompt is copied");
});

async function tryIt() {
  const output = at("trial-output");
  at("trial-problem").replaceChildren();
  output.hidden = false;
  output.textContent = "";
  const response = await call("POST", `${path}/trial`, { body: { config: draft(), input: at("trial-input").value } });
  if (!response.ok) throw await Refusal.from(response);
  for await (const { event, data } of read(response.body)) {
    if (event === "delta") output.append(data.text);
    if (event === "run.completed") {
      output.textContent = data.structured_output ? JSON.stringify(data.structured_output, null, 2) : data.output;
      toast(`Tried: ${data.tokens_used.toLocaleString()} tokens`);
    }
    if (event === "run.failed") throw new Refusal(data.problem);
  }
}

at("trial").addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  try {
    await tryIt();
  } catch (error) {
    at("trial-output").hidden = true;
    at("trial-problem").replaceChildren(finding(error instanceof SyntaxError ? "One of the JSON fields is not valid JSON." : error.message));
  } finally {
    at("trial").disabled = false;
  }
});
