// What every page has: theme, menus, keyboard, copy buttons, local times.

import { copy } from "./dom.js";
import { localTimes } from "./format.js";

const typing = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

let waitingForPlace = false;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return closeMenus();
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (waitingForPlace) {
    waitingForPlace = false;
    const place = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (place) {
      event.preventDefault();
      place.click();
    }
  } else if (event.key === "g") {
    waitingForPlace = true;
    setTimeout(() => (waitingForPlace = false), 1200);
  } else if (event.key === "/") {
    event.preventDefault();
    search();
  } else if (event.key === "?") help();
});

function search() {
  const field = document.querySelector("[data-search]");
  if (field) field.focus();
  else if (document.querySelector("[data-go]")) location.assign("/#search");
}

function help() {
  document.querySelector("[data-help-dialog]").showModal();
}

function closeMenus(except = null) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu === except) continue;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details[data-menu]"));
  const copied = event.target.closest("[data-copy]");
  if (copied) copy(copied.dataset.copy);
  if (event.target.closest("[data-help]")) help();
  if (event.target.closest("[data-theme-toggle]")) toggleTheme();
});

function toggleTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Without storage the choice holds for this page.
  }
}

// Pieces that HTMX puts in have times of their own.
document.addEventListener("htmx:afterSettle", (event) => localTimes(event.target.parentElement ?? document));
localTimes();
if (location.hash === "#search") search();
