// Numbers with units, times in the person's own zone.

import { plain } from "./dom.js";

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 3 });
const thisYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const anyYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** 1234.5 -> "1,234.5" */
export function number(value) {
  return fine.format(value);
}

/** 1 -> "1 token", 1200 -> "1,200 tokens" */
export function count(value, noun, plural = `${noun}s`) {
  return `${whole.format(value)} ${value === 1 ? noun : plural}`;
}

/** 1234.5 -> "$1,234.50"; less than a cent is told to its first digits */
export function dollars(amount) {
  return `$${new Intl.NumberFormat("en-GB", amount >= 0.01 || !amount ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumSignificantDigits: 2 }).format(amount)}`;
}

/** Milliseconds -> "340 ms", "3.2 s", "2 min 5 s" */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Bytes -> "12 kB" */
export function bytes(size) {
  if (size < 1000) return `${size} B`;
  if (size < 1_000_000) return `${Math.round(size / 1000)} kB`;
  return `${(size / 1_000_000).toFixed(1)} MB`;
}

/** snake_case or camelCase -> "Sentence case" */
export function label(key) {
  const words = plainKey(key).replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[_-]+/g, " ").trim().toLowerCase();
  return capital(words);
}

/** An enumerated value in words: "github_actions" -> "Github actions", "GET" -> "GET" */
export function human(word) {
  return capital(plainKey(word).replace(/_+/g, " ").trim());
}

function capital(words) {
  return (words.charAt(0).toUpperCase() + words.slice(1)).replace(/\b(id|ms|sql|sla|ci|ui|api|etl|cwe|owasp|url)\b/gi, (word) => word.toUpperCase());
}

function plainKey(key) {
  return plain(key).slice(0, 80);
}

/** Show every <time data-local> under `root` in the local zone, with the exact UTC on hover. */
export function localTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = (at.getFullYear() === new Date().getFullYear() ? thisYear : anyYear).format(at);
    element.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
    element.removeAttribute("data-local");
  }
  for (const element of root.querySelectorAll("[data-ms]")) {
    element.textContent = duration(Number(element.dataset.ms));
    element.removeAttribute("data-ms");
  }
  for (const element of root.querySelectorAll("[data-number]")) {
    element.textContent = number(Number(element.dataset.number));
    element.removeAttribute("data-number");
  }
}
