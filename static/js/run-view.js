// One run, live or ended: its steps, its text or document as it arrives, what it cost and what can be done with it.

import { ask, Refusal } from "./api.js";
import { h, icon, morph } from "./dom.js";
import { follow, Lost } from "./events.js";
import { handOut } from "./export.js";
import { bytes } from "./format.js";
import { markdown } from "./markdown.js";
import { NOTHING, parsePartial } from "./partial-json.js";
import { render } from "./results/index.js";
import { footParts, headParts, notes, STATUS } from "./run-parts.js";
import { steps } from "./run-steps.js";

/** A view of one run. `agent` is {agent_id, structured?}; `actions` are `retry`, `started(state)`, `ended(state)`. */
export class RunView {
  constructor({ agent, mayStop = true, link = true, retry = null, started = () => {}, ended = () => {} }) {
    Object.assign(this, { agent, mayStop, link, retry, started, ended });
    this.abort = new AbortController();
    this.memory = new Map();
    this.tab = "view";
    this.cost = 0;
    this.state = { status: "starting", phase: "queued", text: "", value: undefined, ended: false, elapsed: 0, problem: null, version: null, usage: null };
    this.#build();
  }

  #build() {
    const slot = (tag, className, more = {}) => h(tag, { class: className, ...more });
    this.asked = slot("div", "asked", { hidden: true });
    this.head = slot("div", "run-head");
    this.line = slot("ol", "steps", { "aria-label": "Steps of the run" });
    this.note = slot("div", "run-note");
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Result", hidden: true }, this.#tab("view", "Result"), this.#tab("raw", "Raw"));
    // The parts of an answer are headings of the third level, whatever stands above it.
    this.title = h("h2", { class: "visually-hidden" }, "Answer");
    this.body = slot("div", "run-body", { role: "tabpanel", "aria-label": "Result" });
    this.raw = slot("pre", "code code-wrap", { role: "tabpanel", "aria-label": "Raw result", tabindex: "0", hidden: true });
    this.foot = slot("div", "run-foot", { hidden: true });
    this.said = slot("p", "visually-hidden", { role: "status" });
    this.element = h("section", { class: "run", "aria-label": "Run", tabindex: "-1" }, this.asked, h("div", { class: "card run-card" }, this.head, this.line, this.note, this.title, this.tabs, this.body, this.raw, this.foot, this.said));
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.tabs.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.#choose(this.tab === "view" ? "raw" : "view", true);
    });
  }

  #tab(name, title) {
    return h("button", { class: "tab", type: "button", role: "tab", "data-tab": name, "aria-selected": String(name === "view"), tabindex: name === "view" ? "0" : "-1" }, title);
  }

  /** Show what was asked: text and documents, given as {name, size?}. */
  ask(text, documents) {
    this.asked.hidden = false;
    this.asked.replaceChildren(
      ...(text.trim() ? [h("p", { class: "asked-text", tabindex: "0" }, text)] : []),
      ...(documents.length ? [h("ul", { class: "file-chips", "aria-label": "Documents" }, documents.map((file) => h("li", { class: "file-chip file-chip-fixed" }, icon("paperclip"), h("span", { class: "file-chip-name" }, file.name), file.size ? h("span", { class: "quiet" }, bytes(file.size)) : null)))] : []),
    );
  }

  /** Show a run that has ended; a server-rendered body in `html` is kept as it is. */
  show(run, html = null) {
    this.kept = html;
    this.#take(run);
    if (run.execution_time_ms > 0) this.state.phase = "model";
    if (html) this.body.replaceChildren(html);
    this.#end(run.status, run.problem);
  }

  /** Follow a run until it ends: `open(signal)` begins it, `enqueue(signal)` returns a queued one, `run` is under way. */
  async follow({ open = null, enqueue = null, run = null }) {
    this.tied = open !== null;
    this.began = performance.now() - (run ? Math.max(0, Date.now() - Date.parse(run.created_at)) : 0);
    this.clock = setInterval(() => this.#drawState(), 500);
    this.#say("Sent");
    this.#drawState();
    try {
      if (enqueue) run = await enqueue(this.abort.signal);
      if (run) this.#take(run);
      if (enqueue) this.started(this.state);
      const runId = run?.run_id ?? null;
      for await (const event of follow({ open, runId, signal: this.abort.signal })) this.#on(event);
      if (!this.state.ended && this.state.runId && !this.abort.signal.aborted) await this.#load();
    } catch (error) {
      this.#fail(error);
    } finally {
      clearInterval(this.clock);
    }
  }

  #on({ event, data }) {
    const { state } = this;
    state.lost = event === "connection" && data.state === "lost";
    state.waiting = event === "connection" && data.state === "waiting";
    if (event === "run.started") {
      Object.assign(state, { runId: data.run_id, version: data.version, conversation: data.conversation_id, demo: data.demo, status: "running", phase: "model" });
      this.#say("The agent is working");
      this.started(state);
    } else if (event === "delta") {
      if (!state.text) this.#say("The answer is arriving");
      state.text += data.text;
      this.#schedule();
    } else if (event === "tool" && data.name === "repair") {
      Object.assign(state, { phase: "check", repairing: data.state === "started" });
    } else if (event === "usage") {
      Object.assign(state, { phase: "check", usage: { ...data, estimated: false } });
    } else if (event === "run.completed") {
      state.text = data.output;
      state.value = data.structured_output ?? undefined;
      state.ms = data.execution_time_ms;
      state.tokens = data.tokens_used;
      this.#end(data.status, null);
      this.#load();
    } else if (event === "run.failed") {
      this.#end("failed", data.problem);
      this.#load();
    }
    if (event !== "delta") this.#drawState();
  }

  /** Read the run's record: usage and why this version are not among the events. */
  async #load() {
    try {
      const run = await ask("GET", `/runs/${this.state.runId}`);
      this.#take(run);
      if (!["queued", "running"].includes(run.status)) this.#end(run.status, run.problem);
    } catch {
      // What the events told is shown already.
    }
  }

  #take(run) {
    const { state } = this;
    Object.assign(state, { run, runId: run.run_id, version: run.version, reason: run.version_reason, demo: run.demo, conversation: run.conversation_id });
    if (["queued", "running"].includes(run.status)) {
      if (!state.ended) state.status = run.status;
      return;
    }
    Object.assign(state, { usage: run.usage, tokens: run.tokens_used, ms: run.execution_time_ms });
    if (run.output || !state.text) state.text = run.output;
    if (run.structured_output !== null) state.value = run.structured_output;
  }

  #fail(error) {
    let problem = { code: "unreachable", title: "The portal cannot be reached", detail: "The connection failed before the run began or while it was followed." };
    if (error instanceof Refusal) problem = error.document;
    else if (error instanceof Lost) problem = { code: "lost", title: "The connection was lost", detail: "The run could not be followed to its end." };
    this.state.retryAfter = error.retryAfter ?? null;
    this.#end("failed", problem);
  }

  #end(status, problem) {
    const again = this.state.ended;
    const phase = status === "cancelled" ? this.state.phase : problem ? this.state.phase : "done";
    Object.assign(this.state, { status, problem: problem ?? this.state.problem, ended: true, phase });
    clearInterval(this.clock);
    clearTimeout(this.pending);
    this.pending = null;
    const hadFocus = this.head.contains(document.activeElement);
    this.#drawBody();
    this.#drawState();
    if (hadFocus && !this.head.contains(document.activeElement)) this.element.focus({ preventScroll: true });
    if (again) return;
    this.#say(problem ? `Failed: ${problem.title}` : STATUS[status]?.[2] ?? status);
    this.ended(this.state);
  }

  async stop() {
    const { state } = this;
    if (state.ended || state.stopping) return;
    state.stopping = true;
    this.#drawState();
    if (!state.runId) {
      this.abort.abort();
      return this.#end("cancelled", null);
    }
    try {
      await ask("POST", `/runs/${state.runId}/cancel`);
    } catch (error) {
      // 409 says that it ended by itself; its last event is on its way.
      if (error.status !== 409) state.stopping = false;
    }
    this.#drawState();
  }

  #say(text) {
    this.said.textContent = text;
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  #schedule() {
    // The dearer the last drawing was, the longer the pause: a long document must not freeze the page.
    this.pending ??= setTimeout(() => {
      this.pending = null;
      const from = performance.now();
      this.#drawBody();
      this.#drawState();
      this.cost = performance.now() - from;
    }, Math.max(60, this.cost * 5));
  }

  #drawState() {
    const { state } = this;
    if (!state.ended) state.elapsed = performance.now() - (this.began ?? performance.now());
    morph(this.head, h("div", {}, headParts(state, { mayStop: this.mayStop, mayRetry: this.retry !== null })));
    morph(this.line, h("ol", {}, steps(state)));
    morph(this.note, h("div", {}, notes(state)));
    this.foot.hidden = !state.runId;
    morph(this.foot, h("div", {}, footParts(state, { link: this.link, tied: this.tied })));
  }

  #drawBody() {
    const { state } = this;
    const document_ = this.#document();
    const next = h("div", {});
    state.isDocument = document_ !== undefined;
    this.tabs.hidden = !state.text;
    this.tabs.lastChild.textContent = state.isDocument ? "Raw JSON" : "Raw text";
    if (this.kept && !state.isDocument) return;
    next.append(...this.#content(document_));
    this.body.classList.toggle("live", !state.ended);
    this.body.setAttribute("aria-busy", String(!state.ended));
    morph(this.body, next);
    if (this.tab === "raw") this.#drawRaw();
  }

  #content(document_) {
    const { state } = this;
    if (!state.text) return [];
    try {
      if (state.isDocument) return [render(document_, { memory: this.memory, live: !state.ended })];
      if (!this.agent.structured) return [h("div", { class: "prose" }, markdown(state.text))];
    } catch (error) {
      // An answer of a shape that no view expects is still shown, and never stops the run from being followed.
      console.warn("shown as it is:", error);
    }
    return [h("pre", { class: "code code-wrap" }, state.text)];
  }

  /** Return the structured document so far, or undefined where the answer is text. */
  #document() {
    const { state } = this;
    if (state.value !== undefined) return state.value;
    const looksLike = this.agent.structured ?? /^\s*(```json\s*)?\{/.test(state.text);
    if (!looksLike || !state.text) return undefined;
    try {
      const { value } = parsePartial(state.text);
      return value === NOTHING ? undefined : value;
    } catch {
      return undefined;
    }
  }

  #drawRaw() {
    const { state } = this;
    this.raw.textContent = state.ended && state.value !== undefined ? JSON.stringify(state.value, null, 2) : state.text;
  }

  // --- acting --------------------------------------------------------------------------------------------------

  #clicked(event) {
    const target = event.target.closest("[data-act], [data-tab], [data-jump], [data-ref]");
    if (!target || !this.element.contains(target)) return;
    const { act, tab, jump, ref } = target.dataset;
    if (tab) this.#choose(tab);
    else if (jump) this.#lead((each) => each.dataset.part === jump, "[data-part]", false);
    else if (ref) this.#lead((each) => each.dataset.id === ref, "[data-id]", true);
    else if (act === "stop") this.stop();
    else if (act === "retry") this.retry();
    else if (act) handOut(act, this.agent, this.state);
  }

  #choose(tab, focus = false) {
    this.tab = tab;
    for (const button of this.tabs.children) {
      const chosen = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      if (chosen && focus) button.focus();
    }
    this.body.hidden = tab !== "view";
    this.raw.hidden = tab !== "raw";
    if (tab === "raw") this.#drawRaw();
  }

  #lead(isIt, selector, mark) {
    const found = [...this.body.querySelectorAll(selector)].find(isIt);
    if (!found) return;
    found.closest("details")?.setAttribute("open", "");
    found.scrollIntoView({ behavior: "smooth", block: "start" });
    if (!mark) return;
    found.classList.add("found");
    setTimeout(() => found.classList.remove("found"), 1600);
  }
}
