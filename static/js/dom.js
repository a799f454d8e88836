// Building and updating the page. Text only ever becomes text nodes: what a model writes is hostile input.

const SVG = "http://www.w3.org/2000/svg";
// Control characters, escape sequences of terminals among them; tab and newline stay.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Return the text without control characters, so that it is harmless wherever it is pasted. */
export function plain(value) {
  // A model may put an object where text belongs, even one whose toString is no function.
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(/\r\n/g, "\n").replace(CONTROL, "");
}

/** Return an element. `props` are attributes (false and null leave one out); functions are listeners. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(parent, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(parent, child);
    else if (child instanceof Node) parent.append(child);
    else if (child !== null && child !== undefined && child !== false) parent.append(plain(child));
  }
}

/** Return an SVG element with attributes. */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Return an icon of the sprite; it is always accompanied by a word. */
export function icon(name, className = "") {
  const use = svg("use", { href: `${document.documentElement.dataset.sprite}#${name}` });
  return svg("svg", { class: `icon ${className}`.trim(), "aria-hidden": "true", focusable: "false" }, use);
}

/** Return a badge: semantic colour, icon and word. */
export function badge(kind, iconName, word) {
  return h("span", { class: `badge badge-${kind}` }, iconName && icon(iconName), word);
}

/** Make the children of `target` equal to those of `next`, keeping every node that need not change. */
export function morph(target, next) {
  let old = target.firstChild;
  let fresh = next.firstChild;
  while (fresh) {
    const following = fresh.nextSibling;
    if (!old) {
      target.append(fresh);
    } else {
      const after = old.nextSibling;
      if (!old.isEqualNode(fresh)) {
        if (alike(old, fresh)) update(old, fresh);
        else old.replaceWith(fresh);
      }
      old = after;
    }
    fresh = following;
  }
  while (old) {
    const after = old.nextSibling;
    old.remove();
    old = after;
  }
}

function alike(old, fresh) {
  // A button never turns into another one under the pointer: a second click on "Stop" must not be a "Retry".
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && old.dataset?.act === fresh.dataset?.act;
}

function update(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    // Appending keeps a selection in the text alive.
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  morph(old, fresh);
}

/** Return the JSON that the server put into the page under `id`. */
export function embedded(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

/** Show a short message for a few seconds. */
export function toast(text, iconName = "check") {
  const shown = h("div", { class: "toast" }, icon(iconName), h("span", {}, text));
  document.querySelector("[data-toasts]").append(shown);
  setTimeout(() => shown.remove(), 4000);
}

/** Put text on the clipboard and say so. */
export async function copy(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(plain(text));
    toast(what);
  } catch {
    // Without a secure context there is no clipboard interface; the old command still works.
    const area = h("textarea", { class: "visually-hidden" });
    area.value = plain(text);
    document.body.append(area);
    area.select();
    toast(document.execCommand("copy") ? what : "The browser did not allow copying", "info");
    area.remove();
  }
}

/** Give the person a file. */
export function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
