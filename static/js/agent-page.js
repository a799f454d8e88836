// An agent's page: the composer, the thread of runs, the demo document.

import { ask, call } from "./api.js";
import { Attachments } from "./attachments.js";
import { embedded } from "./dom.js";
import { RunView } from "./run-view.js";

const agent = embedded("agent-data");
const thread = document.querySelector("[data-thread]");
const composer = document.querySelector("[data-composer]");
const find = (name) => composer.querySelector(`[data-${name}]`);

let conversation = embedded("continues-data") || null;
let running = null;

for (const run of embedded("thread-data")) {
  // Documents are not sent back to the browser, so only what was written can be asked again as it was.
  const body = { input: run.input, files: [], ...(conversation ? { conversation_id: conversation } : {}) };
  const view = added(composer && !run.documents.length ? { retry: () => !running && send(body, []) } : {});
  view.ask(run.input, run.documents.map((name) => ({ name })));
  if (["queued", "running"].includes(run.status)) track(view, { run });
  else view.show(run);
}

function added(more) {
  const view = new RunView({ agent, started, ended, ...more });
  thread.append(view.element);
  return view;
}

function started(state) {
  history.replaceState(null, "", `?run=${state.runId}`);
}

function ended(state) {
  if (state.status === "completed") conversation = state.conversation ?? conversation;
  if (running && document.hidden) document.title = `${state.problem ? "✗" : "✓"} ${document.title.replace(/^[✗✓] /, "")}`;
}

async function track(view, source) {
  running = view;
  settle();
  await view.follow(source);
  running = null;
  settle();
}

/** Let the composer say what it would do now. */
function settle() {
  // Results need the width; what is said about the agent moves below them.
  document.querySelector("[data-layout]").classList.toggle("agent-layout-wide", thread.children.length > 0);
  if (!composer) return;
  find("demo-document")?.toggleAttribute("hidden", running !== null || conversation !== null);
  find("run").disabled = running !== null;
  find("composer-title").textContent = conversation ? "Continue the conversation" : "Give it work";
  find("run-label").textContent = running ? "Running" : conversation ? "Send" : "Run";
  find("fresh").hidden = running !== null || !thread.children.length;
}

function send(body, files) {
  const view = added({ retry: () => !running && send(body, files) });
  view.ask(body.input, files);
  view.element.scrollIntoView({ behavior: "smooth", block: "start" });
  const path = `/agents/${agent.agent_id}`;
  const background = { enqueue: (signal) => ask("POST", `${path}/runs`, { body, headers: { Prefer: "respond-async" }, signal }) };
  track(view, find("background").checked ? background : { open: (signal) => call("POST", `${path}/stream`, { body, signal }) });
}

if (composer) {
  const input = find("input");
  const attachments = new Attachments({ drop: find("drop"), input: find("files"), list: find("chips"), types: agent.input_types, refuse });
  input.value ||= takenAlong();
  for (const link of document.querySelectorAll("[data-choose]")) link.addEventListener("click", (event) => takeAlong(event, input.value));

  composer.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    const text = input.value;
    if (!text.trim() && !attachments.files.length) {
      refuse("Write something or attach a document first.");
      return input.focus();
    }
    refuse("");
    try {
      const files = attachments.files.map(({ name, size }) => ({ name, size }));
      const body = { input: text, files: await attachments.encoded(), ...(conversation ? { conversation_id: conversation } : {}) };
      input.value = "";
      attachments.clear();
      send(body, files);
    } catch (error) {
      refuse(error.message);
    }
  });
  composer.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      composer.requestSubmit();
    }
  });
  find("fresh").addEventListener("click", () => {
    conversation = null;
    thread.replaceChildren();
    history.replaceState(null, "", location.pathname);
    settle();
    input.focus();
  });
  find("demo-document")?.addEventListener("click", async () => {
    const names = embedded("demo-data");
    try {
      attachments.add((await Promise.all(names.map(demoFile))).filter((file) => !attachments.files.some((each) => each.name === file.name)));
      find("run").focus();
    } catch {
      refuse("The demo document could not be loaded. Try again.");
    }
  });
  settle();
}

/** Keep what was written for the agent that is chosen instead, in this tab. */
function takeAlong(event, text) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || !text.trim()) return;
  try {
    sessionStorage.setItem("draft", text);
  } catch {
    // Storage may be forbidden, or the text too long for it.
  }
}

function takenAlong() {
  try {
    const text = sessionStorage.getItem("draft");
    sessionStorage.removeItem("draft");
    return text ?? "";
  } catch {
    return "";
  }
}

async function demoFile(name) {
  const response = await fetch(`/docs-demo/${encodeURIComponent(name)}`);
  if (!response.ok) throw new Error(name);
  // A log or a script is text; the agents read it under that ending.
  const readable = agent.input_types.includes(name.split(".").pop()) ? name : `${name}.txt`;
  return new File([await response.text()], readable, { type: "text/plain" });
}

function refuse(message) {
  const place = find("composer-error");
  place.textContent = message;
  place.hidden = !message;
}
