"use strict";
// Asks for the changing part of the page every other second, and counts the time since work began.
(() => {
  const part = document.getElementById("part");
  const said = document.getElementById("said");
  let version = "";

  const tick = () => {
    for (const one of document.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(one.dataset.since)) / 1000));
      const pad = (value) => String(value).padStart(2, "0");
      one.textContent = `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
    }
  };

  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(`${part.dataset.address}?${version}`, { cache: "no-store" });
      if (answer.status === 200) {
        const content = await answer.text();
        const open = [...part.querySelectorAll("details")].map((one) => one.open);
        part.innerHTML = content;
        part.querySelectorAll("details").forEach((one, i) => { one.open = open[i] ?? one.open; });
        version = answer.headers.get("ETag") ?? "";
      }
      const known = answer.ok;
      said.textContent = known ? "" : "There is nothing here any more.";
      part.classList.toggle("stale", !known);
    } catch {
      said.textContent = "The server does not answer: this is what it told last.";
      part.classList.add("stale");
    }
    tick();
  };

  if (location.search) history.replaceState(null, "", location.pathname);  // the token: the cookie has it now
  tick();
  setInterval(tick, 1000);
  const again = () => ask().finally(() => setTimeout(again, part.querySelector("[data-more]") ? 100 : 2000));
  again();
  document.addEventListener("visibilitychange", ask);
})();
