// Filters the agents while one types; the address follows, so that a view can be shared.

const form = document.querySelector("[data-agent-filter]");

function apply() {
  const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const tags = [...form.querySelectorAll('[name="tag"]:checked')].map((box) => box.value);
  const cards = [...document.querySelectorAll("[data-card]")];
  let found = 0;
  for (const card of cards) {
    const own = card.dataset.tags.split(" ");
    card.hidden = !(words.every((word) => card.dataset.words.includes(word)) && tags.every((tag) => own.includes(tag)));
    found += card.hidden ? 0 : 1;
  }
  document.querySelector("[data-count]").textContent = `${found} of ${cards.length} agents`;
  document.querySelector("[data-no-match]").hidden = found > 0;
  const query = new URLSearchParams([...(words.length ? [["q", form.elements.q.value.trim()]] : []), ...tags.map((tag) => ["tag", tag])]);
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

if (form) {
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const shown = document.querySelectorAll("[data-card]:not([hidden]) a");
    if (shown.length === 1) shown[0].click();
  });
  document.querySelector("[data-clear-filter]").addEventListener("click", () => {
    form.reset();
    form.elements.q.value = "";
    for (const box of form.querySelectorAll('[name="tag"]')) box.checked = false;
    apply();
    form.elements.q.focus();
  });
}
