"use strict";
// Pointing at a strategy dims all others; a click on its name hides or shows it.
(() => {
  const all = [...document.querySelectorAll("[data-s]")];
  const of = (event) => event.target.closest?.("[data-s]")?.dataset.s;
  let only;
  const dim = (key) => {
    if (key === only) return;
    only = key;
    for (const one of all) one.classList.toggle("dim", key !== undefined && one.dataset.s !== key);
  };
  const toggle = (event) => {
    const pick = event.target.closest?.(".pick");
    if (!pick) return;
    event.preventDefault();
    const hide = !pick.classList.contains("off");
    for (const one of all) if (one.dataset.s === pick.dataset.s) one.classList.toggle("off", hide);
    for (const one of document.querySelectorAll(".pick")) {
      if (one.dataset.s === pick.dataset.s) one.setAttribute("aria-pressed", String(!hide));
    }
  };
  document.addEventListener("pointerover", (event) => dim(of(event)));
  document.addEventListener("focusin", (event) => dim(of(event)));
  document.addEventListener("focusout", () => dim(undefined));
  document.documentElement.addEventListener("pointerleave", () => dim(undefined));
  document.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") toggle(event); });
})();
