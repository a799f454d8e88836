// Passkeys: the browser makes and uses them; the portal only ever sees public keys and signatures.

import { h, icon } from "./dom.js";

const supported = typeof window.PublicKeyCredential === "function" && !!navigator.credentials;

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

function text(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const descriptors = (list = []) => list.map((each) => ({ ...each, id: bytes(each.id) }));

/** The portal's JSON as the browser wants it. */
function creation(options) {
  return { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: descriptors(options.excludeCredentials) };
}

function request(options) {
  return { ...options, challenge: bytes(options.challenge), allowCredentials: descriptors(options.allowCredentials) };
}

/** The browser's answer as JSON. */
function answer(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

async function send(address, body) {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const response = await fetch(address, { method: "POST", credentials: "same-origin", cache: "no-store", headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify(body) });
  if (response.redirected) throw new Error("Your session has ended. Reload the page and sign in again.");
  const said = await response.json();
  if (!response.ok) throw new Error(said.detail ?? said.title);
  return said;
}

function complain(place, error) {
  // The browser says "not allowed" for everything that the person did not finish.
  const words = error.name === "NotAllowedError" ? "Nothing was done: it was cancelled, or took too long." : error.name === "InvalidStateError" ? "This device has a passkey for you already." : error.message;
  place.replaceChildren(h("div", { class: "notice notice-broken", role: "alert" }, icon("circle-alert"), h("div", {}, words)));
}

async function enter(button) {
  const options = await send(button.dataset.options, {});
  const credential = await navigator.credentials.get({ publicKey: request(options) });
  const done = await send(button.dataset.done, { credential: answer(credential), next: button.dataset.next });
  location.assign(done.next);
}

async function add(form) {
  const name = form.elements.name.value;
  if (!name.trim()) throw new Error("Name the passkey first, after the device it is on.");
  const proof = { password: form.elements.password?.value, otp: form.elements.otp?.value };
  const options = await send(form.dataset.options, proof);
  const credential = await navigator.credentials.create({ publicKey: creation(options) });
  await send(form.dataset.done, { credential: answer(credential), name });
  location.assign(form.dataset.next);
}

for (const button of document.querySelectorAll("[data-passkey-enter]")) {
  const said = document.querySelector("[data-passkey-said]");
  button.closest("[data-passkey]").hidden = !supported;
  button.addEventListener("click", () => enter(button).catch((error) => complain(said, error)));
}
for (const form of document.querySelectorAll("[data-passkey-add]")) {
  const said = form.querySelector("[data-passkey-said]");
  if (!supported) form.replaceChildren(h("p", { class: "quiet" }, "This browser cannot make passkeys."));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    add(form).catch((error) => complain(said, error));
  });
}
