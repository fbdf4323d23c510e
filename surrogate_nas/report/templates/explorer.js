/* The script of explore.html: one comparison at a time, looked at in three linked views.
 *
 * Data come as gzip blocks in base 64 (surrogate_nas/report/explorer/problem.py) and are unpacked when they are needed;
 * plotly.js comes the same way and is started after the page has been painted. Nothing is fetched.
 *
 * A cell is its number in the block, in all arrays. `problem` is what one block told; `state` is what the reader chose;
 * `plane`, `lines` and `table` draw both. Whatever changes calls `refresh` with the views that it changes. Every text
 * is set as text, never as HTML.
 */
"use strict";
(() => {
  const LEFT_OUT = -1;            // the cell of a trial that has no score under the objective
  const PAGE = 100;               // rows of the table that are shown at a time
  const PLAYED_SECONDS = 12;      // how long the whole clock takes to play
  const LONGEST_STEP = 0.1;       // seconds that one frame moves it by at most, however late the frame is
  const SHARE_SHOWN = 0.5;        // of the cells, best first, that the first frame has room for
  const MOST_AXES = 20;           // of parallel coordinates
  const MOST_LINES = 3000;        // of parallel coordinates, the first in the table's order
  const ARRAYS = { f8: Float64Array, f4: Float32Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array,
                   i1: Int8Array, i2: Int16Array, i4: Int32Array };
  const SCALE = "Cividis";        // reads the same for the colour-blind, light and dark
  const WIDE = 20;                // times that numbers grow before their axis begins as a logarithmic one
  const NARROW = 600;             // pixels below which the plane leaves out what is said elsewhere
  const THEME = { "#24292f": "var(--ink)", "#fefefe": "var(--paper)" };

  const byId = (id) => document.getElementById(id);
  const state = { across: 0, up: 0, colour: 0, on: new Set(), run: null, unit: "cells", time: 0, sort: null, down: false,
                  limits: new Map(), lasso: null, every: false, rows: PAGE, shown: null };
  let problem = null;
  let graphics = false;           // whether plotly.js is there

  // ---- data -------------------------------------------------------------------------------------------------------

  async function inflated(id) {
    const text = atob(byId(id).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  async function unpacked(id) {
    const block = await inflated(id);
    const length = new DataView(block).getUint32(0, true);
    const decoder = new TextDecoder();
    const revived = (told) => {
      if (Array.isArray(told)) return told.length && typeof told[0] === "object" ? told.map(revived) : told;
      if (told === null || typeof told !== "object") return told;
      if (told.type === "texts") return decoder.decode(new Uint8Array(block, 4 + length + told.at, told.n)).split("\0");
      if (told.type === "coded") {
        const values = revived(told.values);
        return Float64Array.from(revived(told.codes), (code) => values[code]);
      }
      if (told.type in ARRAYS) return new ARRAYS[told.type](block, 4 + length + told.at, told.n);
      return Object.fromEntries(Object.entries(told).map(([name, value]) => [name, revived(value)]));
    };
    return revived(JSON.parse(decoder.decode(new Uint8Array(block, 4, length))));
  }

  async function opened(number) {
    const told = await unpacked(`problem-${number}`);
    told.n = told.texts.length;
    for (const one of matchMedia("(prefers-color-scheme: dark)").matches ? told.trials.strategies : []) one.colour = one.dark;
    told.positions = told.space.positions.map((name, p) => ({
      name, options: told.space.options[p], values: told.space.choices.subarray(p * told.n, (p + 1) * told.n),
    }));
    const [first, second] = told.columns;
    told.single = first.name === "L";       // one objective, whose best is one cell
    told.score = first;
    const penalty = second?.group === "score" ? second : null;
    if (told.single && (penalty || !told.feasible.every(Boolean))) {
      const values = Float64Array.from(first.values, (loss, cell) => (told.feasible[cell] ? loss + (penalty?.values[cell] ?? 0) : NaN));
      told.score = { ...first, name: "score", text: penalty ? "L + λR" : "L of feasible cells", unit: penalty ? "" : first.unit, values };
      told.columns.splice(penalty ? 2 : 1, 0, told.score);
    }
    if (told.drawings) told.drawings.starts = sums(told.drawings.counts);
    const starts = sums(told.trials.runs.map((run) => run.trials));
    told.runs = told.trials.runs.map((run, r) => ({
      ...run, cells: told.trials.cells.subarray(starts[r], starts[r + 1]),
      finished: told.trials.finished.subarray(starts[r], starts[r + 1]),
    }));
    return told;
  }

  function sums(counts) {
    const total = new Uint32Array(counts.length + 1);
    counts.forEach((count, i) => { total[i + 1] = total[i] + count; });
    return total;
  }

  /* When a trial counts, by the chosen clock. */
  const finished = (run, i) => (state.unit === "cells" ? i + 1 : run.finished[i]);
  const shownRuns = () => problem.runs.filter((run) => state.on.has(run.strategy) && (state.run === null || run.run === state.run));

  /* Of every strategy: its cells in the order in which any of its shown runs first met them, each with its time; and of
   * every run the cells that were its best so far. Made anew when strategies, runs or the clock change. */
  function tracked() {
    const strategies = problem.trials.strategies.map((one, s) => ({ ...one, number: s, first: new Map(), bests: [] }));
    for (const run of shownRuns()) {
      const mine = strategies[run.strategy], bests = { times: [], cells: [] };
      let best = Infinity;
      run.cells.forEach((cell, i) => {
        if (cell === LEFT_OUT) return;
        const at = finished(run, i), before = mine.first.get(cell);
        if (before === undefined || at < before) mine.first.set(cell, at);
        if (problem.single && problem.feasible[cell] && problem.score.values[cell] < best) {
          best = problem.score.values[cell];
          bests.times.push(at);
          bests.cells.push(cell);
        }
      });
      mine.bests.push(bests);
    }
    for (const one of strategies) {
      const order = [...one.first].sort((a, b) => a[1] - b[1]);
      one.cells = Int32Array.from(order, ([cell]) => cell);
      one.times = Float64Array.from(order, ([, time]) => time);
    }
    return strategies;
  }

  /* How many of rising times are not after another. */
  function count(times, time) {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time) low = middle + 1; else high = middle;
    }
    return low;
  }

  const met = (one) => one.cells.subarray(0, count(one.times, state.time));

  /* The cells that table and lines show, in the table's order. */
  function rows() {
    const cells = state.every ? Array.from({ length: problem.n }, (_, cell) => cell)
      : [...new Set(problem.tracks.flatMap((one) => [...met(one)]))];
    const key = sortKey();
    const sign = state.down ? -1 : 1;
    return cells.sort((a, b) => {
      const x = key(a), y = key(b);
      if (typeof x === "string") return sign * x.localeCompare(y) || a - b;
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b;
      return sign * (x - y) || a - b;
    });
  }

  function sortKey() {
    if (state.sort === "cell") return (cell) => problem.texts[cell];
    if (state.sort === "first") return firstMet;
    if (state.sort === "found") return (cell) => finders(cell).reduce((sum, one) => sum + one.runs, 0);
    const values = (problem.columns[state.sort] ?? problem.score).values;
    return (cell) => values[cell];
  }

  function firstMet(cell) {
    const times = problem.tracks.map((one) => one.first.get(cell) ?? Infinity).filter((time) => time <= state.time);
    return times.length ? Math.min(...times) : NaN;
  }

  /* The strategies that met a cell so far, each with its number of runs that did. */
  function finders(cell) {
    const counts = new Map();
    for (const run of problem.metBy.get(cell) ?? []) {
      if (!state.on.has(run.strategy) || (state.run !== null && run.run !== state.run)) continue;
      const i = run.cells.indexOf(cell);
      if (i >= 0 && finished(run, i) <= state.time) counts.set(run.strategy, (counts.get(run.strategy) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => a[0] - b[0])
      .map(([number, runs]) => ({ ...problem.trials.strategies[number], runs }));
  }

  /* Whether a cell is selected; everything is, as long as nothing was chosen. */
  function chosen(cell) {
    if (state.lasso && !state.lasso.has(cell)) return false;
    for (const [number, ranges] of state.limits) {
      const value = dimensions()[number].values[cell];
      if (!ranges.some(([low, high]) => value >= low && value <= high)) return false;
    }
    return true;
  }

  const selecting = () => state.lasso !== null || state.limits.size > 0;

  // ---- numbers and words ------------------------------------------------------------------------------------------

  function shown(column, value) {
    if (!Number.isFinite(value)) return "–";
    const digits = column.decimals === null ? { maximumSignificantDigits: 4 }
      : { minimumFractionDigits: column.decimals, maximumFractionDigits: column.decimals };
    return value.toLocaleString("en-GB", digits).replace("-", "−");
  }

  const unitOf = (column) => (column.unit && column.unit !== column.name ? column.unit : "");
  const heading = (column) => (column.group === "score" && column.text ? `${column.name} = ${column.text}` : column.name);
  const axisTitle = (column) => heading(column) + (column.unit ? ` (${column.unit})` : column.group === "score" ? " (dimensionless)" : "");
  const withUnit = (column) => column.name + (unitOf(column) ? ` (${unitOf(column)})` : "");
  const plotText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const clockUnit = () => (state.unit === "cells" ? "evaluations" : problem.unit);

  function duration(time) {
    if (state.unit === "cells") return `${Math.round(time).toLocaleString("en-GB")} evaluations`;
    if (problem.unit === "queries") return `${Math.round(time).toLocaleString("en-GB")} queries`;
    const [divisor, unit] = [[86400, "days"], [3600, "hours"], [60, "minutes"], [1, "seconds"]]
      .find(([length]) => state.end >= 3 * length) ?? [1, "seconds"];
    return `${(time / divisor).toLocaleString("en-GB", { maximumFractionDigits: 1 })} simulated ${unit}`;
  }

  // ---- small pieces of the page -----------------------------------------------------------------------------------

  function make(tag, content = {}, ...inside) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(content)) {
      if (name === "text") made.textContent = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...inside);
    return made;
  }

  function drawn(tag, content, ...inside) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(content)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  }

  function markOf(one) {
    const path = drawn("path", one.hollow ? { d: one.path, fill: "none", stroke: one.colour, "stroke-width": 1.8 } : { d: one.path, fill: one.colour });
    return drawn("svg", { viewBox: "-7 -7 14 14", class: "mark-of", "aria-hidden": "true" }, path);
  }

  /* The drawing of a cell, mark by mark, as surrogate_nas.space.sketch says it. */
  function drawing(cell) {
    const { size, marks, codes, starts } = problem.drawings;
    const picture = drawn("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, role: "img", "aria-label": problem.texts[cell] });
    for (const code of codes.subarray(starts[cell], starts[cell + 1])) picture.append(...DRAW[marks[code][0]](...marks[code].slice(1)));
    return picture;
  }

  const inTheme = (colour) => THEME[colour] ?? colour;
  const DRAW = {
    box: (x, y, width, height, rounding, fill, stroke, line) => [drawn("rect", {
      x: x - width / 2, y: y - height / 2, width, height, rx: rounding, fill: inTheme(fill), stroke: inTheme(stroke),
      "stroke-width": line,
    })],
    arrow: ([x0, y0, x1, y1, x2, y2], colour, line, dash, opacity, head) => {
      const length = Math.hypot(x2 - x1, y2 - y1) || 1;
      const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length], [long, wide] = [0.4 * head, 0.2 * head];
      const [bx, by] = [x2 - dx * long, y2 - dy * long];
      const shaft = { d: `M${x0} ${y0}Q${x1} ${y1} ${bx} ${by}`, fill: "none", "stroke-width": line, opacity };
      if (dash.length) shaft["stroke-dasharray"] = dash.map((part) => part * line).join(" ");
      const stroke = inTheme(colour), pieces = [drawn("path", { ...shaft, stroke })];
      if (head) {
        const d = `M${x2} ${y2}L${bx - dy * wide} ${by + dx * wide}L${bx + dy * wide} ${by - dx * wide}Z`;
        pieces.push(drawn("path", { d, fill: stroke, stroke, "stroke-width": line / 2, "stroke-linejoin": "round" }));
      }
      return pieces;
    },
    text: (x, y, text, size, colour, align, ground) => {
      const anchor = { left: "start", center: "middle", right: "end" }[align];
      const look = { x, y, "font-size": size, "text-anchor": anchor, "dominant-baseline": "central", fill: inTheme(colour) };
      if (ground) Object.assign(look, { stroke: inTheme(ground), "stroke-width": 4, "paint-order": "stroke" });
      const made = drawn("text", look);
      made.textContent = text;
      return [made];
    },
  };

  /* The strategies that met a cell, as entries of the panel. */
  function evaluatedBy(cell) {
    const entries = [make("div", { class: "rule", text: "evaluated by" })];
    const found = finders(cell);
    for (const one of found) {
      const runs = problem.runs.filter((run) => problem.trials.strategies[run.strategy].name === one.name).length;
      entries.push(make("dt", {}, markOf(one), one.name), make("dd", { text: `${one.runs} of ${runs} run${runs === 1 ? "" : "s"}` }));
    }
    return found.length ? entries : [...entries, make("dt", { text: "no run shown" }), make("dd")];
  }

  /* Name a cell, its numbers and who met it, beside its drawing. */
  function show(cell) {
    state.shown = cell;
    const panel = byId("cell");
    const list = make("dl");
    let group = "score";
    for (const column of problem.columns) {
      if (column.group !== group) {
        if (group === "score") list.append(...evaluatedBy(cell));
        group = column.group;
        list.append(make("div", { class: "rule", text: group }));
      }
      const infeasible = column.group === "score" && !problem.feasible[cell] && column.name === "score";
      const value = infeasible ? "infeasible" : `${shown(column, column.values[cell])} ${unitOf(column)}`.trim();
      list.append(make("dt", { text: column.name, title: column.text }), make("dd", { text: value }));
    }
    if (group === "score") list.append(...evaluatedBy(cell));
    const here = plane.here(cell);
    const place = here.length > 1 ? [make("p", { class: "quiet", text: `${here.indexOf(cell) + 1} of ${here.length} cells in this place; click it for the next` })] : [];
    panel.replaceChildren(...(problem.drawings ? [drawing(cell)] : [choicesOf(cell)]), make("code", { text: problem.texts[cell] }), ...place, list);
    panel.dataset.cell = problem.texts[cell];
    for (const row of byId("table").tBodies[0].rows) row.setAttribute("aria-selected", String(Number(row.dataset.cell) === cell));
    plane.point();
  }

  /* What stands for a drawing where a space has none: the option at every position. */
  function choicesOf(cell) {
    const list = make("dl", { class: "choices" });
    for (const { name, options, values } of problem.positions) {
      list.append(make("dt", { text: name }), make("dd", { text: options[values[cell]] }));
    }
    return list;
  }

  // ---- the plane of cells -----------------------------------------------------------------------------------------

  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(["ink", "quiet", "paper", "line"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  };

  const quantile = (values, share) => {
    const finite = Float64Array.from(values).filter(Number.isFinite).sort();
    return finite.length ? finite[Math.min(Math.floor(share * finite.length), finite.length - 1)] : 0;
  };

  /* How a number is coloured: the better, the further from the page's ground; the worst fifth is one colour. With a
   * sign of -1 for the negated values, of which plotly draws the largest last. */
  function shades(column, values, sign = 1) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const ends = column.larger ? [quantile(values, 0.2), quantile(values, 1)] : [quantile(values, 0), quantile(values, 0.8)];
    const [cmin, cmax] = ends.map((end) => sign * end).sort((a, b) => a - b);
    return { colorscale: SCALE, cmin, cmax, reversescale: (dark !== column.larger) === (sign > 0) };
  }

  /* Whether most of some numbers lie in the same corner of a linear axis. */
  const isWide = (values) => quantile(values, 0) > 0 && quantile(values, 0.9) > WIDE * quantile(values, 0.1);

  const plane = {
    cells: [],      // of every trace the numbers of its points' cells
    element: () => byId("plane"),

    points(cells) {
      const [x, y] = [problem.columns[state.across].values, problem.columns[state.up].values];
      return { x: Float64Array.from(cells, (cell) => x[cell]), y: Float64Array.from(cells, (cell) => y[cell]) };
    },

    selection(cells) {
      if (!selecting()) return null;
      const found = [];
      cells.forEach((cell, i) => { if (chosen(cell)) found.push(i); });
      return found;
    },

    /* Traces from the lowest to the uppermost, each with its cells. */
    traces() {
      const { ink, paper, quiet } = theme(), kind = graphics === "gl" ? "scattergl" : "scatter";
      const all = Array.from({ length: problem.n }, (_, cell) => cell);
      const feasible = all.filter((cell) => problem.feasible[cell]), others = all.filter((cell) => !problem.feasible[cell]);
      const faint = { selected: { marker: { opacity: 0.95 } }, unselected: { marker: { opacity: 0.05 } } };
      const made = [];
      const add = (role, cells, trace) => made.push({ cells, trace: {
        type: kind, mode: "markers", hoverinfo: "none", showlegend: false, name: role, ...this.points(cells), ...trace,
      } });
      const colour = problem.columns[state.colour];
      if (colour) {
        const values = Float64Array.from(feasible, (cell) => colour.values[cell]);
        add("cells", feasible, { ...faint, selectedpoints: this.selection(feasible), marker: {
          size: problem.n > 3000 ? 4 : 6, opacity: 0.75, color: values, showscale: true, ...shades(colour, values),
          colorbar: { thickness: innerWidth < NARROW ? 8 : 12, outlinewidth: 0, x: 1.01, xpad: 4,
                      title: { text: innerWidth < NARROW ? "" : plotText(withUnit(colour)), side: "right" } },
        } });
      } else {
        add("cells", feasible, { ...faint, selectedpoints: this.selection(feasible),
                                 marker: { size: problem.n > 3000 ? 3.5 : 6, opacity: 0.4, color: quiet } });
      }
      add("infeasible", others, { ...faint, selectedpoints: this.selection(others), marker: { size: 4, opacity: 0.3, symbol: "x-thin-open", color: quiet } });
      const front = this.front(feasible);
      add("front", front, { type: "scatter", mode: "lines", line: { color: ink, width: 1.3, shape: "hv" }, hoverinfo: "skip" });
      for (const one of problem.tracks) {
        const cells = met(one);
        add(`strategy ${one.number}`, cells, { ...faint, selectedpoints: this.selection(cells), marker: {
          size: cells.length > 300 ? 6 : 8, color: one.colour, opacity: 0.7, line: { color: paper, width: 0.5 },
          symbol: this.symbols(one, cells),
        } });
      }
      for (const one of problem.tracks) {
        add(`best ${one.number}`, this.bests(one), { marker: {
          size: 14, color: one.colour, symbol: one.symbol, line: { color: ink, width: 1.8 },
        } });
      }
      const optimum = problem.optimum === null ? [] : [problem.optimum];
      add("optimum", optimum, { type: "scatter", marker: { size: 19, symbol: "star-open", color: ink, line: { width: 1.8 } }, hoverinfo: "skip" });
      this.cells = made.map((one) => one.cells);
      return made.map((one) => one.trace);
    },

    symbols(one, cells) {
      if (problem.feasible.every(Boolean)) return one.symbol;
      return Array.from(cells, (cell) => problem.feasible[cell] ? one.symbol : `${one.symbol.replace("-open", "")}-open${one.hollow ? "-dot" : ""}`);
    },

    /* Where every run stands: the best cell that it had met. */
    bests(one) {
      const cells = one.bests.map((run) => run.cells[count(run.times, state.time) - 1]);
      return [...new Set(cells.filter((cell) => cell !== undefined))];
    },

    /* The cells that no other beats in both numbers, where the axes are what the objective trades. */
    front(feasible) {
      const [x, y] = [problem.columns[state.across], problem.columns[state.up]];
      const scores = problem.columns.filter((column) => column.group === "score").slice(0, 2);
      if (!problem.table || x === y || !scores.includes(x) || !scores.includes(y) || scores.includes(problem.score) && problem.single) return [];
      const order = [...feasible].sort((a, b) => x.values[a] - x.values[b] || y.values[a] - y.values[b]);
      const found = [];
      let low = Infinity;
      for (const cell of order) if (y.values[cell] < low) { low = y.values[cell]; found.push(cell); }
      return found;
    },

    axis(column, log) {
      const { ink, line } = theme();
      return { title: { text: plotText(innerWidth < NARROW ? withUnit(column) : axisTitle(column)), standoff: 8 }, type: log ? "log" : "linear", color: ink, gridcolor: line,
               zeroline: false, automargin: true, linecolor: ink, exponentformat: "none", ...(log ? { dtick: "D2" } : {}) };
    },

    range(column, cells, share, log) {
      const values = Float64Array.from(cells, (cell) => column.values[cell]).filter((v) => Number.isFinite(v) && (!log || v > 0));
      if (!values.length) return undefined;
      let low = Infinity;
      for (const value of values) low = Math.min(low, value);
      let [from, to] = [low, quantile(values, share)];
      if (log) [from, to] = [Math.log10(from), Math.log10(to)];
      const margin = 0.05 * (to - from) || 0.01 * Math.abs(to) || 0.01;
      return [from - margin, to + margin];
    },

    layout() {
      const { ink } = theme(), [x, y] = [problem.columns[state.across], problem.columns[state.up]];
      const layout = { margin: { l: 62, r: 12, t: 12, b: 52 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
                       font: { color: ink, family: getComputedStyle(document.body).fontFamily, size: 12 }, hovermode: "closest",
                       dragmode: "zoom", showlegend: false, annotations: this.mark(), hoverdistance: 15, uirevision: this.view(),
                       xaxis: this.axis(x, byId("across-log").checked), yaxis: this.axis(y, byId("up-log").checked) };
      const frame = byId("frame").value;
      if (frame !== "all") {
        const everybody = problem.tracks.flatMap((one) => one.bests.map((run) => run.cells.at(-1))).filter((cell) => cell !== undefined);
        const feasible = Array.from({ length: problem.n }, (_, cell) => cell).filter((cell) => problem.feasible[cell]);
        const inside = frame === "found" && everybody.length ? [...everybody, ...(problem.optimum === null ? [] : [problem.optimum])] : feasible;
        const share = (column) => (frame === "near" && problem.table && column.cut ? SHARE_SHOWN : 1);
        const [rx, ry] = [this.range(x, inside, share(x), byId("across-log").checked), this.range(y, inside, share(y), byId("up-log").checked)];
        if (rx) layout.xaxis.range = rx;
        if (ry) layout.yaxis.range = ry;
      }
      return layout;
    },

    view: () => JSON.stringify([problem.number, state.across, state.up, byId("frame").value, byId("up-log").checked, byId("across-log").checked]),

    draw() {
      if (!graphics) return;
      const element = this.element(), first = !element.data;
      if (first) element.replaceChildren();
      Plotly.react(element, this.traces(), this.layout(), {
        displaylogo: false, responsive: true, scrollZoom: false, modeBarButtonsToRemove: ["autoScale2d"],
        toImageButtonOptions: { filename: "explore", scale: 2 },
      });
      if (first) {
        element.on("plotly_hover", ({ points }) => this.pointed(points, false));
        element.on("plotly_click", ({ points }) => this.pointed(points, true));
        element.on("plotly_selected", (event) => this.lassoed(event));
        element.on("plotly_deselect", () => this.lassoed(null));
      }
    },

    /* The cells that lie where another lies, those that a run evaluated first. */
    here(cell) {
      const [x, y] = [problem.columns[state.across].values, problem.columns[state.up].values];
      const found = Array.from(x.keys()).filter((other) => x[other] === x[cell] && y[other] === y[cell]);
      const seen = new Set(found.filter((other) => finders(other).length));
      return [...found.filter((other) => seen.has(other)), ...found.filter((other) => !seen.has(other))];
    },

    /* Name a cell that is pointed at; a click goes on to the next one in the same place. */
    pointed(points, clicked) {
      const cell = this.cells[points[0].curveNumber]?.[points[0].pointNumber];
      if (cell === undefined) return;
      const cells = this.here(cell), at = cells.indexOf(state.shown);
      if (at < 0) show(cells[0]);
      else if (clicked) show(cells[(at + 1) % cells.length]);
    },

    lassoed(event) {
      const inside = event?.points?.map((point) => this.cells[point.curveNumber]?.[point.pointNumber]);
      state.lasso = inside?.length ? new Set(inside) : null;
      refresh("selection");
    },

    number: (role) => byId("plane").data.findIndex((trace) => trace.name === role),

    /* Only what the clock moves. */
    move() {
      if (!graphics) return;
      const [x, y, selectedpoints, symbols, numbers] = [[], [], [], [], []];
      for (const one of problem.tracks) {
        for (const [role, cells] of [[`strategy ${one.number}`, met(one)], [`best ${one.number}`, this.bests(one)]]) {
          const points = this.points(cells), number = this.number(role);
          x.push(points.x);
          y.push(points.y);
          selectedpoints.push(role.startsWith("best") ? null : this.selection(cells));
          symbols.push(role.startsWith("best") ? one.symbol : this.symbols(one, cells));
          numbers.push(number);
          this.cells[number] = cells;
        }
      }
      Plotly.restyle(this.element(), { x, y, selectedpoints, "marker.symbol": symbols }, numbers);
    },

    /* A frame around the cell that the panel names; an annotation's place on a logarithmic axis is the logarithm. */
    mark() {
      if (state.shown === null) return [];
      const { x: [x], y: [y] } = this.points([state.shown]);
      if (!Number.isFinite(x) || !Number.isFinite(y)) return [];
      const placed = (value, log) => (byId(log).checked ? Math.log10(value) : value);
      return [{ x: placed(x, "across-log"), y: placed(y, "up-log"), text: " ", showarrow: false, width: 19, height: 19,
                bordercolor: theme().ink, borderwidth: 2.5, borderpad: 0 }];
    },

    point() {
      if (graphics && this.element().data) Plotly.relayout(this.element(), { annotations: this.mark() });
    },
  };

  // ---- parallel coordinates ---------------------------------------------------------------------------------------

  /* Everything that cells can be selected by: the choices of the space, then its numbers. */
  function dimensions() {
    return problem.dimensions ??= [
      ...problem.positions.filter(({ options }) => options.length > 1)
        .map(({ name, options, values }) => ({ name, options, values, text: name })),
      ...problem.columns.map((column) => ({ ...column, options: null, text: withUnit(column) })),
    ];
  }

  /* Those that have an axis: the choices, what the objective is made of, finals, costs, and the colour. */
  function axes() {
    const wanted = ["score", "read by the objective", "final, never searched on", "costs"];
    const all = dimensions().map((one, number) => ({ ...one, number }));
    const choices = all.filter((one) => one.options), numbers = all.filter((one) => !one.options);
    const colour = numbers[state.colour];
    const kept = numbers.filter((one) => wanted.includes(one.group) && one !== colour)
      .slice(0, Math.max(MOST_AXES - choices.length - 1, 6));
    return [...choices, ...kept, ...(colour ? [colour] : [])];
  }

  const lines = {
    cells: [],
    axes: [],
    near: false,
    stale: true,
    element: () => byId("lines"),

    /* Draw as soon as the reader comes near, and only then: of all views this is the most work. */
    draw() {
      this.stale = true;
      if (graphics && this.near) this.drawNow();
    },

    watch() {
      new IntersectionObserver(([{ isIntersecting }]) => {
        this.near = isIntersecting;
        if (graphics && this.near && this.stale) this.drawNow();
      }, { rootMargin: "150px" }).observe(this.element());
    },

    drawNow() {
      this.stale = false;
      const element = this.element(), { ink, quiet } = theme();
      if (graphics !== "gl") {
        element.replaceChildren(make("p", { class: "quiet", text: "Parallel coordinates need WebGL, which this browser has not; select by numbers above." }));
        return;
      }
      this.cells = rows().slice(0, MOST_LINES).reverse();
      this.axes = axes();
      const colour = problem.columns[state.colour] ?? problem.score;
      const values = this.cells.map((cell) => colour.values[cell]);
      const finite = values.map((value) => (Number.isFinite(value) ? value : quantile(values, colour.larger ? 0 : 1)));
      const sign = colour.larger ? 1 : -1;
      const made = this.axes.map((one) => {
        const numbers = this.cells.map((cell) => one.values[cell]);
        const dimension = { label: plotText(one.text), values: numbers, constraintrange: this.range(one.number) };
        if (!one.options) return { ...dimension, tickformat: ",.3~r" };
        return { ...dimension, range: [-0.2, one.options.length - 0.8], tickvals: one.options.map((_, i) => i), ticktext: one.options.map(short) };
      });
      const trace = { type: "parcoords", dimensions: made, labelangle: -18, labelside: "top", line: {
        color: finite.map((value) => sign * value), ...shades(colour, finite, sign), showscale: false,
      }, unselected: { line: { color: quiet, opacity: 0.08 } }, labelfont: { color: ink, size: 11 }, tickfont: { color: ink, size: 9 },
      rangefont: { color: quiet, size: 9 } };
      element.style.width = `${Math.max(element.parentElement.clientWidth - 2, 72 * this.axes.length)}px`;
      const first = !element.data;
      Plotly.react(element, [trace], { margin: { l: 92, r: 60, t: 84, b: 24 }, paper_bgcolor: "rgba(0,0,0,0)",
                                       font: { family: getComputedStyle(document.body).fontFamily } },
                   { displayModeBar: false, responsive: false });
      if (first) element.on("plotly_restyle", () => this.brushed());
      element.dataset.cells = this.cells.length;
    },

    range(number) {
      const ranges = state.limits.get(number);
      return !ranges ? undefined : ranges.length === 1 ? ranges[0] : ranges;
    },

    brushed() {
      const before = JSON.stringify([...state.limits]);
      this.element().data[0].dimensions.forEach(({ constraintrange }, i) => {
        const { number } = this.axes[i];
        if (!constraintrange || !constraintrange.length) state.limits.delete(number);
        else state.limits.set(number, Array.isArray(constraintrange[0]) ? constraintrange.map((one) => [...one]) : [[...constraintrange]]);
      });
      if (JSON.stringify([...state.limits]) !== before) refresh("brush");
    },
  };

  const short = (option) => (option.length > 14 ? `${option.slice(0, 13)}…` : option);

  // ---- the table --------------------------------------------------------------------------------------------------

  const table = {
    heads() {
      const wanted = ["score", "read by the objective"];
      const finals = problem.columns.filter((one) => one.group === "final, never searched on").slice(0, 2);
      const kept = problem.columns.filter((one, i) => wanted.includes(one.group) || i === state.colour || finals.includes(one)
                                          || ["params", "macs"].includes(one.name));
      return [
        { key: "cell", text: "cell" }, { key: "found", text: "evaluated by", small: "runs of each strategy" },
        { key: "first", text: "first after", small: clockUnit() },
        ...kept.map((column) => ({ key: problem.columns.indexOf(column), text: column.name, small: unitOf(column), column })),
      ];
    },

    draw() {
      const element = byId("table"), heads = this.heads();
      if (typeof state.sort === "number" && !heads.some((head) => head.key === state.sort)) state.sort = null;
      const key = state.sort ?? problem.columns.indexOf(problem.score);
      element.tHead.replaceChildren(make("tr", {}, ...heads.map((head, i) => {
        const cell = make("th", { scope: "col", class: i < 2 ? "text" : "", "aria-sort": head.key === key ? (state.down ? "descending" : "ascending") : "none" });
        const button = make("button", { type: "button", "data-key": head.key, onclick: () => this.sorted(head.key) }, make("span", { text: head.text }));
        if (head.small) button.append(make("small", { text: head.small }));
        cell.append(button);
        return cell;
      })));
      const cells = rows().filter(chosen);
      element.tBodies[0].replaceChildren(...cells.slice(0, state.rows).map((cell) => this.row(cell, heads)));
      byId("more").hidden = cells.length <= state.rows;
      const number = cells.length.toLocaleString("en-GB");
      byId("rows").textContent = `${number} cell${cells.length === 1 ? "" : "s"}${selecting() ? " of the selection" : ""}, ${Math.min(cells.length, state.rows)} in the table`;
      byId("selected").textContent = selecting() ? `${number} cell${cells.length === 1 ? "" : "s"} selected` : "";
      byId("csv-selected").disabled = !selecting();
    },

    row(cell, heads) {
      const row = make("tr", { tabindex: "0", "data-cell": cell, "aria-selected": String(cell === state.shown),
                               onclick: () => show(cell), onfocus: () => { if (state.shown !== cell) show(cell); } });
      const found = make("td", { class: "text small" });
      for (const one of finders(cell)) found.append(make("span", { class: "met", title: one.name }, markOf(one), `${one.runs} `));
      row.append(make("td", { class: "text" }, make("code", { text: problem.texts[cell], title: problem.texts[cell] })), found);
      const first = firstMet(cell);
      row.append(make("td", { text: Number.isNaN(first) ? "–" : first.toLocaleString("en-GB", { maximumFractionDigits: 1 }) }));
      for (const { column } of heads.slice(3)) row.append(make("td", { text: shown(column, column.values[cell]) }));
      return row;
    },

    sorted(key) {
      const before = state.sort ?? problem.columns.indexOf(problem.score);
      state.down = key === before ? !state.down : false;
      state.sort = key;
      this.draw();
      byId("table").querySelector(`button[data-key="${key}"]`).focus();
    },

    /* The rows as CSV, all columns, as exact as the page holds them. */
    csv(cells) {
      const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const number = (value, exact) => (Number.isFinite(value) ? String(exact ? value : Number(value.toPrecision(7))) : "");
      const heads = ["cell", "evaluated_by", `first_after_${clockUnit()}`, "feasible",
                     ...problem.columns.map(withUnit)];
      const body = cells.map((cell) => [
        quoted(problem.texts[cell]), quoted(finders(cell).map((one) => `${one.name}: ${one.runs}`).join("; ")),
        number(firstMet(cell), true), problem.feasible[cell] ? "yes" : "no",
        ...problem.columns.map(({ values }) => number(values[cell], values instanceof Float64Array)),
      ].join(","));
      return [heads.map(quoted).join(","), ...body].join("\n") + "\n";
    },

    download(cells, name) {
      const address = URL.createObjectURL(new Blob([this.csv(cells)], { type: "text/csv" }));
      make("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    },
  };

  // ---- what the reader does ---------------------------------------------------------------------------------------

  /* Draw again what a change concerns. */
  function refresh(what) {
    if (what === "runs") {
      problem.tracks = tracked();
      state.end = Math.max(1, ...shownRuns().map((run) => (run.trials ? finished(run, run.trials - 1) : 0)));
    }
    if (what === "time") plane.move(); else plane.draw();
    if (what !== "brush") lines.draw();
    table.draw();
    if (state.shown !== null && what !== "brush") show(state.shown);
  }

  function tick() {
    const slider = byId("time");
    byId("now").textContent = `after ${duration(state.time)}`;
    slider.setAttribute("aria-valuetext", byId("now").textContent);
  }

  /* Put the clock's slider over the runs that are shown, at the end or at the same share. */
  function setClock(share = 1) {
    const slider = byId("time");
    slider.max = state.end;
    slider.step = state.unit === "cells" ? 1 : "any";
    state.time = share >= 1 ? state.end : share * state.end;
    slider.value = state.time;
    tick();
  }

  const player = {
    frame: null,
    stop() {
      cancelAnimationFrame(this.frame);
      this.frame = null;
      byId("play").textContent = "▶ Play";
      byId("play").setAttribute("aria-pressed", "false");
    },
    start() {
      if (state.time >= state.end) state.time = 0;
      let last = null;
      const step = (now) => {
        const passed = last === null ? 0 : Math.min((now - last) / 1000, LONGEST_STEP);
        last = now;
        state.time = Math.min(state.time + passed * (state.end / PLAYED_SECONDS), state.end);
        byId("time").value = state.time;
        tick();
        plane.move();
        if (state.time < state.end) this.frame = requestAnimationFrame(step);
        else { this.stop(); refresh("time"); }
      };
      byId("play").textContent = "❚❚ Pause";
      byId("play").setAttribute("aria-pressed", "true");
      this.frame = requestAnimationFrame(step);
    },
    toggle() {
      if (this.frame === null) return this.start();
      this.stop();
      refresh("time");
    },
  };

  function options(select, entries, value) {
    const groups = new Map();
    for (const { group, ...one } of entries) {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(make("option", { value: one.value, text: one.text }));
    }
    select.replaceChildren(...[...groups].flatMap(([group, made]) => (group ? [make("optgroup", { label: group }, ...made)] : made)));
    select.value = value;
  }

  function columnOptions() {
    return problem.columns.map((column, i) => ({ group: column.group === "score" ? "" : column.group, value: i, text: heading(column) }));
  }

  function setControls() {
    options(byId("up"), columnOptions(), state.up);
    options(byId("across"), columnOptions(), state.across);
    options(byId("colour"), [{ group: "", value: -1, text: "nothing" }, ...columnOptions()], state.colour);
    options(byId("limit"), dimensions().map((one, i) => ({ group: one.options ? "choices" : "numbers", value: i, text: one.text })),
            problem.positions.length ? dimensions().findIndex((one) => !one.options) : 0);
    options(byId("unit"), [{ value: "cells", text: "evaluations" }, { value: "cost", text: problem.unit === "queries" ? "queries" : "simulated seconds" }], state.unit);
    const numbers = [...new Set(problem.runs.map((run) => run.run))].sort((a, b) => a - b);
    options(byId("run"), [{ value: "", text: `all ${numbers.length}` }, ...numbers.map((n) => ({ value: n, text: `run ${n}` }))], "");
    byId("strategies").replaceChildren(byId("strategies").firstElementChild, ...problem.trials.strategies.map((one, number) => {
      const box = make("input", { type: "checkbox", "data-strategy": number, onchange: (event) => {
        if (event.target.checked) state.on.add(number); else state.on.delete(number);
        refresh("runs");
      } });
      box.checked = true;
      return make("label", { class: "check" }, box, " ", markOf(one), one.name);
    }));
  }

  function setHeadings() {
    byId("title").textContent = `${problem.benchmark}: ${problem.title}`;
    byId("objective").textContent = problem.objective;
    byId("banner").hidden = !problem.banner;
    byId("banner").firstElementChild.textContent = problem.banner;
    const cells = problem.cells === null ? `${problem.n.toLocaleString("en-GB")} evaluated cells`
      : problem.n === problem.cells ? `all ${problem.n.toLocaleString("en-GB")} cells`
      : `${problem.n.toLocaleString("en-GB")} of ${problem.cells.toLocaleString("en-GB")} cells: those evaluated, the exact front, and a fixed draw`;
    const made = problem.runs.length, all = made + problem.runs_left_out;
    const rest = made < all ? `, the first ${made} of ${all} runs` : `, ${made} run${made === 1 ? "" : "s"}`;
    byId("counts").textContent = `${cells}${rest}, fingerprint ${problem.fingerprint}`;
    const entries = [`Small dots: ${problem.table ? "every cell shown, evaluated or not" : "evaluated cells"}`, "small marks: cells that a strategy evaluated so far",
                     ...(problem.single ? ["large, outlined: the best so far of each run"] : [])];
    if (problem.table && problem.columns[1].group === "score" && problem.columns[1] !== problem.score) entries.push("line: the exact front");
    if (problem.optimum !== null) entries.push("star: the optimum");
    if (!problem.feasible.every(Boolean)) entries.push("hollow or crossed: infeasible");
    byId("key").replaceChildren(...entries.map((text) => make("li", { text })));
  }

  async function open(number) {
    player.stop();
    problem = await opened(number);
    problem.number = number;
    problem.metBy = new Map();
    for (const run of problem.runs) {
      for (const cell of new Set(run.cells)) {
        if (!problem.metBy.has(cell)) problem.metBy.set(cell, []);
        problem.metBy.get(cell).push(run);
      }
    }
    const named = (name) => problem.columns.findIndex((column) => column.name === name);
    const grouped = (group) => problem.columns.findIndex((column) => column.group === group);
    const cost = [grouped("costs"), problem.columns.findIndex((column) => column.group !== "score"), 0].find((i) => i >= 0);
    Object.assign(state, {
      across: problem.axes[0] === null ? cost : named(problem.axes[0]), up: named(problem.axes[1]),
      colour: [grouped("final, never searched on"), problem.columns.indexOf(problem.score)].find((i) => i >= 0),
      on: new Set(problem.trials.strategies.keys()), run: null, unit: "cells", sort: null, down: false,
      limits: new Map(), lasso: null, every: false, rows: PAGE, shown: null,
    });
    byId("up-log").checked = byId("every").checked = false;
    byId("across-log").checked = isWide(problem.columns[state.across].values);
    byId("frame").value = problem.table ? "near" : "all";
    setControls();
    setHeadings();
    state.end = 1;
    problem.tracks = tracked();
    state.end = Math.max(1, ...problem.runs.map((run) => run.trials));
    setClock();
    byId("cell").replaceChildren(make("p", { class: "quiet", text: "Point at a cell, or choose a row of the table." }));
    refresh("runs");
    document.body.dataset.opened = Number(document.body.dataset.opened ?? 0) + 1;
  }

  function listen() {
    const on = (id, event, act) => byId(id)?.addEventListener(event, act);
    on("problem", "change", (event) => open(Number(event.target.value)));
    for (const id of ["up", "across"]) on(id, "change", (event) => { state[id] = Number(event.target.value); plane.draw(); });
    on("colour", "change", (event) => { state.colour = Number(event.target.value); refresh("colour"); });
    for (const id of ["up-log", "across-log", "frame"]) on(id, "change", () => plane.draw());
    on("play", "click", () => player.toggle());
    on("time", "input", (event) => { player.stop(); state.time = Number(event.target.value); tick(); plane.move(); });
    on("time", "change", () => refresh("time"));
    on("unit", "change", (event) => {
      const share = state.time / state.end;
      state.unit = event.target.value;
      refresh("runs");
      setClock(share);
      refresh("time");
    });
    on("run", "change", (event) => {
      state.run = event.target.value === "" ? null : Number(event.target.value);
      refresh("runs");
    });
    on("every", "change", (event) => { state.every = event.target.checked; state.rows = PAGE; refresh("rows"); });
    on("more", "click", () => { state.rows += PAGE; table.draw(); });
    on("csv", "click", () => table.download(rows(), "cells.csv"));
    on("csv-selected", "click", () => table.download(rows().filter(chosen), "selection.csv"));
    on("limits", "submit", () => {
      const number = Number(byId("limit").value), dimension = dimensions()[number];
      const read = (id, otherwise) => {
        const text = byId(id).value.trim(), place = dimension.options?.indexOf(text) ?? -1;
        return place >= 0 ? place : text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text);
      };
      state.limits.set(number, [[read("from", -Infinity), read("to", Infinity)]]);
      refresh("selection");
    });
    on("reset", "click", () => open(problem.number));
    on("clear", "click", () => { state.limits.clear(); state.lasso = null; refresh("selection"); });
    on("plane", "keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const cells = rows().filter(chosen), at = cells.indexOf(state.shown);
      if (cells.length) show(cells[at < 0 ? 0 : Math.min(Math.max(at + step, 0), cells.length - 1)]);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { plane.draw(); lines.draw(); });
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; lines.draw(); } });
  }

  /* Start plotly.js and draw what needs it. */
  async function startGraphics() {
    const code = new TextDecoder().decode(await inflated("plotly"));
    byId("plotly").remove();
    document.head.append(make("script", { text: code }));
    const canvas = document.createElement("canvas");
    graphics = canvas.getContext("webgl") ? "gl" : "plain";
    plane.draw();
    lines.watch();
    ready("all");
  }

  /* What is there now, for whoever waits for it or measures it. */
  function ready(what) {
    performance.mark(what);
    document.body.dataset.ready = what;
  }

  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

  document.addEventListener("DOMContentLoaded", async () => {
    await painted();
    if (typeof DecompressionStream === "undefined") {
      byId("counts").textContent = "This page needs a browser of 2023 or later, which can unpack what it carries.";
      return;
    }
    listen();
    await open(0);
    ready("table");
    await painted();
    await startGraphics();
  });
})();
