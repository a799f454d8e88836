// The console's own behaviour: the theme's choice reaches the design's values, and ids can be copied.
(() => {
  const root = document.documentElement;
  const follow = () => { root.dataset.theme = root.classList.contains("dark") ? "dark" : "light"; };
  new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["class"] });
  follow();

  // The theme hides the page until its scripts run, and browsers do not focus what is hidden.
  document.addEventListener("alpine:initialized", () => requestAnimationFrame(() => {
    if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
  }));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy it by hand";
    }
    setTimeout(() => { button.textContent = text; }, 1500);
  });
})();
