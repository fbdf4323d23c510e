"use strict";
// Fetches the page again every other second, and counts the time since the runs began.
(() => {
  const main = document.querySelector("main");
  const problem = document.getElementById("problem");
  let version = "";

  const tick = () => {
    for (const one of main.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(one.dataset.since)) / 1000));
      const pad = (value) => String(value).padStart(2, "0");
      one.textContent = `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
    }
  };

  const reload = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.pathname, { headers: { "If-None-Match": version }, cache: "no-store" });
      if (answer.status === 200) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
        main.innerHTML = page.innerHTML;
        main.toggleAttribute("data-partial", page.hasAttribute("data-partial"));
        version = answer.headers.get("ETag") ?? "";
      }
      const isThere = answer.ok || answer.status === 304;
      problem.textContent = isThere ? "" : "There is nothing here any more.";
      main.classList.toggle("stale", !isThere);
    } catch {
      problem.textContent = "The server does not answer: this is its last answer.";
      main.classList.add("stale");
    }
    tick();
  };

  if (location.search) history.replaceState(null, "", location.pathname);  // the cookie has the token now
  tick();
  setInterval(tick, 1000);
  const again = () => reload().finally(() => setTimeout(again, main.hasAttribute("data-partial") ? 100 : 2000));
  again();
  document.addEventListener("visibilitychange", reload);
})();
