// The portal's API as its pages use it: the session, the CSRF token, and refusals as errors that say what to do.

const BASE = "/api/v1";

/** A refusal by the API: its RFC 9457 document. */
export class Refusal extends Error {
  constructor(document, retryAfter = null) {
    super(document.detail ?? document.title);
    this.document = document;
    this.status = document.status ?? 0;
    this.retryAfter = retryAfter;
  }

  /** Read the refusal from a response; one without a document becomes a document. */
  static async from(response) {
    let document;
    try {
      document = await response.json();
    } catch {
      document = {};
    }
    const told = typeof document === "object" && document !== null && "code" in document;
    return new Refusal(
      told ? document : { status: response.status, code: "unreadable", title: "The portal gave an unreadable answer", detail: `It answered with status ${response.status}. Try again.`, request_id: response.headers.get("x-request-id") ?? "" },
      response.headers.get("retry-after"),
    );
  }
}

/** Call the API and return the response, whatever its status. */
export function call(method, path, { body, headers = {}, signal } = {}) {
  const sent = { Accept: "application/json, text/event-stream", ...headers };
  if (method !== "GET") sent["X-CSRFToken"] = token();
  if (body !== undefined) sent["Content-Type"] = "application/json";
  return fetch(BASE + path, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body), signal, credentials: "same-origin", cache: "no-store" });
}

/** The CSRF token of now: the cookie's, since signing in again in another tab changes it, else the page's. */
function token() {
  return /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? document.querySelector('meta[name="csrf-token"]').content;
}

/** Call the API and return its JSON; throw a Refusal otherwise. */
export async function ask(method, path, options) {
  const response = await call(method, path, options);
  if (!response.ok) throw await Refusal.from(response);
  return response.json();
}
