// The console's own behaviour: the theme's choice reaches the design's values, and ids can be copied.
(() => {
  const root = document.documentElement;
  const follow = () => { root.dataset.theme = root.classList.contains("dark") ? "dark" : "light"; };
  new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["class"] });
  follow();

  // The theme's own switches are no buttons and its icons are words: the keyboard reaches the ones, and readers
  // skip the others.
  const mend = () => {
    for (const each of document.querySelectorAll("a:not([href]), :is(div, span).cursor-pointer")) {
      each.tabIndex = 0;
      each.setAttribute("role", "button");
    }
    for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
      const holder = icon.closest("a, button, [role=button]");
      const alone = holder && holder.textContent.trim() === icon.textContent.trim();
      if (alone && holder.title) holder.ariaLabel = holder.title;
      else if (!alone) icon.ariaHidden = "true";
    }
  };
  document.addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key) || event.target.getAttribute("role") !== "button") return;
    event.preventDefault();
    event.target.click();
  });

  // The theme hides the page until its scripts run, and browsers do not focus what is hidden.
  document.addEventListener("alpine:initialized", () => requestAnimationFrame(() => {
    mend();
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
