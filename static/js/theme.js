// Runs before the first paint, so that a chosen theme does not flash. Everything else is a module.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's wish applies then.
}
