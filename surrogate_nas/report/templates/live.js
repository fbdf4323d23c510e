"use strict";
// Fetches the page again every other second and replaces its content; what was opened or scrolled stays so.
(() => {
  const main = document.querySelector("main");
  let shown = main.innerHTML;

  const replace = (content) => {
    const open = [...main.querySelectorAll("details")].map((one) => one.open);
    const scrolled = [...main.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    main.innerHTML = shown = content;
    main.querySelectorAll("details").forEach((one, i) => { one.open = open[i] ?? one.open; });
    main.querySelectorAll(".scroll").forEach((one, i) => { one.scrollLeft = scrolled[i] ?? 0; });
  };

  const reload = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      document.body.dataset.problem = answer.ok ? "" : "This page no longer exists.";
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (page.innerHTML !== shown) replace(page.innerHTML);
    } catch {
      document.body.dataset.problem = "The server does not respond. This page shows its last state.";
    }
  };

  if (location.search) history.replaceState(null, "", location.pathname);  // the cookie has the token now
  setInterval(reload, 2000);
  document.addEventListener("visibilitychange", reload);
})();
