// Keeps the health page up to date while somebody looks at it: nothing flickers, what is open stays open, and the focus
// stays where it is.

import { morph } from "./dom.js";
import { localTimes } from "./format.js";

const place = document.querySelector("[data-health]");
const stale = () => place.querySelector("[data-stale]");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target === place && document.hidden) event.preventDefault();
});
document.addEventListener("htmx:sendError", () => (stale().hidden = false));
document.addEventListener("htmx:responseError", () => (stale().hidden = false));
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target !== place || event.detail.xhr.status !== 200) return;
  event.detail.shouldSwap = false;
  const next = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector("[data-health]");
  // Another page in its place is the sign-in page: the session has ended.
  if (next) renew(next);
  else location.reload();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) place.dispatchEvent(new Event("look"));
});

function renew(next) {
  localTimes(next);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  for (const list of next.querySelectorAll("ul[id]")) reorder(document.getElementById(list.id), list);
  reorder(place, next);
  morph(place, next);
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Bring the children that both have into the order of the new ones, so that each is compared with itself. */
function reorder(old, next) {
  if (!old) return;
  for (const each of [...old.childNodes, ...next.childNodes]) if (!(each instanceof Element)) each.remove();
  const wanted = new Set([...next.children].map((each) => each.id));
  for (const each of [...old.children]) if (!wanted.has(each.id)) each.remove();
  [...next.children].forEach((each, at) => {
    const known = each.id && [...old.children].find((child) => child.id === each.id);
    if (!known) old.insertBefore(document.importNode(each, true), old.children[at] ?? null);
    else if (old.children[at] !== known) old.insertBefore(known, old.children[at]);
  });
}

// Between two answers the seconds go on by themselves.
setInterval(() => {
  for (const each of place.querySelectorAll("[data-seconds]")) each.textContent = Math.max(0, Number(each.textContent) - 1);
}, 1000);
