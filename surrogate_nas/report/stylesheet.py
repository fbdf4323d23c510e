"""The page's style: light and dark, narrow and wide, screen and paper; nothing is fetched."""

CSS = """
:root { color-scheme: light dark; --ink: #24292f; --quiet: #59636e; --paper: #ffffff; --soft: #f5f7f9;
  --line: #d5dbe1; --accent: #0b66a8; --warn: #8a4b00; --warn-soft: #fff4de; --warn-line: #e0a53a;
  --bad: #a01d1d; --bad-soft: #fdecec; --bad-line: #d97070; }
@media (prefers-color-scheme: dark) { :root { --ink: #d5dbe2; --quiet: #98a3af; --paper: #0f141a; --soft: #171e26;
  --line: #303a45; --accent: #6cb6f0; --warn: #f3c477; --warn-soft: #2b2112; --warn-line: #8f6a24;
  --bad: #ff9d9d; --bad-soft: #2d1616; --bad-line: #8d3c3c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header p { margin: .2rem 0; max-width: none; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .7rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, li { max-width: 76ch; }
a { color: var(--accent); }
code { font: .875em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
.objective { font-size: 1.05rem; background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem .8rem; margin: .8rem 0; }
.quiet, figcaption, .note { color: var(--quiet); font-size: .875rem; }
.box { border: 1px solid var(--warn-line); border-left-width: 5px; background: var(--warn-soft); color: var(--warn);
  border-radius: 6px; padding: .7rem 1rem; margin: 1rem 0; }
.box.bad { border-color: var(--bad-line); background: var(--bad-soft); color: var(--bad); }
.box p, .box li { max-width: none; margin: .25rem 0; overflow-wrap: anywhere; }
.headline { font-size: 1.15rem; border-left: 5px solid var(--accent); padding: .2rem 0 .2rem 1rem; margin: 1.4rem 0; }
.headline p { margin: .3rem 0; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; border-bottom-color: var(--quiet); }
th small { display: block; font-weight: 400; color: var(--quiet); }
th.text, td.text { text-align: left; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
.facts thead { display: none; }
tbody tr:hover { background: var(--soft); }
.strategy { white-space: nowrap; }
.strategy svg { width: 34px; height: 12px; vertical-align: -1px; margin-right: .45rem; }
figure { margin: 1rem 0; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; }
figcaption { margin-top: .35rem; max-width: 76ch; overflow-wrap: anywhere; }
.pair { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
.narrow { max-width: 545px; }
.cells { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; break-inside: avoid; }
.card h3 { margin: 0 0 .3rem; font-size: .95rem; }
.card img { display: block; width: 100%; height: auto; }
.card dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .6rem 0 0; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
.card dt { color: var(--quiet); overflow-wrap: anywhere; }
.card dd { margin: 0; text-align: right; white-space: nowrap; }
.card .rule { grid-column: 1 / -1; border-top: 1px solid var(--line); margin: .25rem 0; color: var(--quiet);
  font-size: .8rem; font-style: italic; }
.mark { display: inline-block; font-size: .75rem; font-weight: 400; color: var(--quiet);
  border: 1px solid var(--line); border-radius: 99px; padding: 0 .5rem; white-space: nowrap; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
@media (max-width: 520px) { main { padding: 1.1rem .8rem 3rem; } h1 { font-size: 1.35rem; }
  .headline { font-size: 1.05rem; } }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #444; --paper: #fff; --soft: #fff; --line: #bbb; }
  body { font-size: 12px; } main { max-width: none; padding: 0; } h2 { margin-top: 1.4rem; }
  .pair { grid-template-columns: 1fr 1fr; gap: 0 1rem; } .cells { grid-template-columns: repeat(3, 1fr); }
  .scroll { overflow: visible; } table { font-size: .72rem; }
  th, td { padding: .2rem .35rem; } h2 { break-after: avoid; } }
"""
"""Inlined into the page's head."""
