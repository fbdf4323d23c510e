const box = document.getElementById("search"), found = document.getElementById("found");
const page = document.getElementById("page"), map = document.getElementById("map");
const MOST = 40;
if (matchMedia("(max-width: 760px)").matches) map.open = false;

// The lower, the better: the whole name, its beginning, a part of it, the summary, the text; -1 where a word is missing.
function rank([name, , text], words) {
  const called = name.toLowerCase(), last = called.split(/[. ]/).pop();
  const told = text.toLowerCase(), line = told.split("\n\n")[0];
  let sum = 0;
  for (const word of words) {
    if (last === word || called === word) sum += 0;
    else if (last.startsWith(word)) sum += 1;
    else if (called.includes(word)) sum += 2;
    else if (line.includes(word)) sum += 4;
    else if (told.includes(word)) sum += 8;
    else return -1;
  }
  return sum + called.length / 1000;
}

function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  page.hidden = words.length > 0;
  found.hidden = !page.hidden;
  if (!words.length) return;
  const hits = NAMES.map(entry => [rank(entry, words), entry]).filter(([r]) => r >= 0).sort(([a], [b]) => a - b);
  const head = document.createElement("p");
  head.className = "quiet";
  head.textContent = hits.length ? `${hits.length} found` + (hits.length > MOST ? `, the first ${MOST}` : "") : "Nothing found.";
  found.replaceChildren(head, ...hits.slice(0, MOST).map(([, [name, what, text, link]]) => {
    const row = document.createElement("div"), top = document.createElement("p"), line = document.createElement("p");
    const to = document.createElement("a"), kind = document.createElement("span");
    row.className = "result";
    to.href = link;
    to.textContent = name;
    to.addEventListener("click", () => { box.value = ""; show(); });
    kind.className = line.className = "quiet";
    kind.textContent = ` ${what} · ${link.split("#")[0].replace(".html", "")}`;
    line.textContent = text.split("\n\n")[0];
    top.append(to, kind);
    row.append(top, line);
    return row;
  }));
}

box.addEventListener("input", show);
document.addEventListener("keydown", event => {
  if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
  if (event.key === "Escape") { box.value = ""; show(); }
  if (event.key === "Enter" && document.activeElement === box) found.querySelector("a")?.click();
});
