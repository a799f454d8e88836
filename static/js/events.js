// Server-sent events over fetch: EventSource can neither POST nor send a CSRF token.

import { call, Refusal } from "./api.js";

const ENDS = new Set(["run.completed", "run.failed"]);
/** Milliseconds without a byte after which a connection counts as dead; the server sends a comment every 15 s. */
const SILENCE = 40_000;
const ATTEMPTS = 10;

/** Thrown when a run cannot be followed any more; it may still be going on. */
export class Lost extends Error {}

/** Yield the {id, event, data} of an event stream, as in the HTML standard; `data` is parsed JSON. */
export async function* read(body, alive = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let event = { id: null, event: "message", lines: [] };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      buffer += value;
      // A lone CR at the end may be half of a CRLF: it waits for the next piece.
      const lines = buffer.split(/\r\n|\n|\r(?!$)/);
      buffer = lines.pop();
      for (const line of lines) {
        if (line !== "") take(event, line);
        else {
          if (event.lines.length) yield { id: event.id, event: event.event, data: JSON.parse(event.lines.join("\n")) };
          event = { id: null, event: "message", lines: [] };
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function take(event, line) {
  if (line.startsWith(":")) return;
  const at = line.indexOf(":");
  const field = at < 0 ? line : line.slice(0, at);
  const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
  if (field === "data") event.lines.push(value);
  else if (field === "id") event.id = value;
  else if (field === "event") event.event = value;
}

/**
 * Follow a run until it ends, through lost connections. Yields the run's events and, between them,
 * {event: "connection", data: {state: "waiting"|"lost"}}. Throws a Refusal, or Lost after many attempts.
 *
 * `open(signal)` begins the run and is called once, never again; without it, `runId` names a run to attach to.
 */
export async function* follow({ open = null, runId = null, signal }) {
  let last = null;
  let failures = 0;
  let idle = 0;
  for (;;) {
    const opening = open !== null;
    const connection = guarded(signal);
    try {
      const response = await (opening ? open(connection.signal) : attach(runId, last, connection.signal));
      open = null;
      if (!response.ok) throw await Refusal.from(response);
      if (response.status === 204) return;
      for await (const event of read(response.body, connection.alive)) {
        if (event.id) {
          last = event.id;
          runId = last.slice(0, last.lastIndexOf("-"));
        }
        failures = idle = 0;
        yield event;
        if (ENDS.has(event.event)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      // What began a run is never repeated; what only reads it may be.
      const temporary = !(error instanceof Refusal) || (error.status >= 500 && !opening);
      if (!temporary || runId === null) throw error;
      failures += 1;
    } finally {
      connection.end();
    }
    if (runId === null || failures > ATTEMPTS) throw new Lost("The connection to the run was lost.");
    idle += 1;
    // A run that is still queued has no events yet: its stream ends cleanly and is asked for again.
    yield { id: null, event: "connection", data: { state: failures ? "lost" : "waiting" } };
    await pause(Math.min(500 * 2 ** Math.max(failures, Math.min(idle, 3)), 8000), signal);
    if (signal.aborted) return;
  }
}

function attach(runId, last, signal) {
  return call("GET", `/runs/${runId}/stream`, { headers: last ? { "Last-Event-ID": last } : {}, signal });
}

/** A signal that follows `outer` and also fires when nothing was heard for too long. */
function guarded(outer) {
  const inner = new AbortController();
  const stop = () => inner.abort();
  let timer = setTimeout(stop, SILENCE);
  outer.addEventListener("abort", stop);
  return {
    signal: inner.signal,
    alive() {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE);
    },
    end() {
      clearTimeout(timer);
      outer.removeEventListener("abort", stop);
      inner.abort();
    },
  };
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
