/* The script of explore.html: one comparison at a time, two strategies in one run of it, among all cells.
 *
 * Data come as gzip blocks in base 64 (surrogate_nas/report/explorer/problem.py) and are unpacked when they are needed.
 * Nothing is fetched.
 *
 * A cell is its number in the block, in all arrays. `problem` is the content of a block; `state` is what the reader chose;
 * `plane`, `panels`, `answers` and `table` draw both. Whatever changes calls `refresh` with what it is. Every text is
 * set as text, never as HTML; colours are variables of the page, so that all follow its scheme.
 */
"use strict";
(() => {
  const PAGE = 100;               // rows of the table that are shown at a time
  const PLAYED_SECONDS = 12;      // how long the whole clock takes to play
  const LONGEST_STEP = 0.1;       // seconds that one frame moves it by at most, however late the frame is
  const SHARE_SHOWN = 0.75;       // of the cells, best first, that the first frame has room for
  const MOST_SHOWN = 0.995;       // of numbers that no cell which cannot learn stretches
  const FAR = 50;                 // from the median, in distances between it and the least: beyond, a cell has failed
  const STRETCHED = 1.5;          // times that the whole front may enlarge that frame; more is told in words
  const ARRAYS = { f8: Float64Array, f4: Float32Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array,
                   i1: Int8Array, i2: Int16Array, i4: Int32Array };
  const WIDE = 20;                // times that numbers grow before their axis begins as a logarithmic one
  const NARROW = 600;             // pixels below which the plane leaves out what is said elsewhere
  const NEAR = 24;                // pixels from the pointer to the cell that it points at, at most
  const SHADES = [0.06, 0.12, 0.2, 0.29, 0.39, 0.5];
  const MOST_PANELS = 12;         // positions whose choices are shown unfolded
  const SAME = 1e-9;              // of the range of scores: what counts as the optimum

  const byId = (id) => document.getElementById(id);
  const state = { across: 0, up: 0, colour: -1, first: 0, second: -1, run: 0, unit: "cells", time: 0, end: 1, sort: null,
                  down: false, limits: new Map(), rows: PAGE, pointed: null, kept: null };
  let problem = null;

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
    told.all = Array.from({ length: told.n }, (_, cell) => cell);
    told.feasibleCells = told.all.filter((cell) => told.feasible[cell]);
    told.positions = told.space.positions.map((name, p) => ({
      name, number: p, options: told.space.options[p], values: told.space.choices.subarray(p * told.n, (p + 1) * told.n),
    }));
    const [first, second] = told.columns;
    told.single = first.name === "L";       // one objective, whose best is one cell
    told.loss = first;
    told.penalty = told.single && second?.group === "score" ? second : null;
    told.score = first;
    if (told.single && (told.penalty || !told.feasible.every(Boolean))) {
      const values = Float64Array.from(first.values, (loss, cell) => (told.feasible[cell] ? loss + (told.penalty?.values[cell] ?? 0) : NaN));
      told.score = { ...first, name: "score", text: told.penalty ? "L + λR" : "L of feasible cells", unit: told.penalty ? "" : first.unit, values };
      told.columns.splice(told.penalty ? 2 : 1, 0, told.score);
    }
    const scores = told.feasibleCells.map((cell) => told.score.values[cell]).filter(Number.isFinite);
    told.range = scores.reduce((high, one) => Math.max(high, one), -Infinity) - scores.reduce((low, one) => Math.min(low, one), Infinity);
    if (told.drawings) told.drawings.starts = sums(told.drawings.counts);
    const starts = sums(told.trials.runs.map((run) => run.trials));
    told.runs = told.trials.runs.map((run, r) => ({
      ...run, cells: Int32Array.from(told.trials.cells.subarray(starts[r], starts[r + 1]), (cell) => cell - 1),
      finished: told.trials.finished.subarray(starts[r], starts[r + 1]),
    }));
    told.metBy = new Map();
    for (const run of told.runs) {
      for (const cell of new Set(run.cells)) {
        if (!told.metBy.has(cell)) told.metBy.set(cell, []);
        told.metBy.get(cell).push(run);
      }
    }
    told.numbers = [...new Set(told.runs.map((run) => run.run))].sort((a, b) => a - b);
    told.strategies = told.trials.strategies.map((one, number) => {
      const runs = told.runs.filter((run) => run.strategy === number);
      return { ...one, number, runs: runs.length, worth: mean(runs.map((run) => worth(told, run))) };
    });
    return told;
  }

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /* How good a run ended, less is better: its best score, or how few cells of the exact front it met. */
  function worth(told, run) {
    const cells = [...new Set(run.cells)].filter((cell) => cell >= 0);
    if (!told.single) return -cells.filter((cell) => told.front[cell]).length;
    return cells.reduce((low, cell) => (told.feasible[cell] ? Math.min(low, told.score.values[cell]) : low), Number.MAX_VALUE);
  }

  function sums(counts) {
    const total = new Uint32Array(counts.length + 1);
    counts.forEach((count, i) => { total[i + 1] = total[i] + count; });
    return total;
  }

  /* When a trial counts, by the chosen clock. */
  const finished = (run, i) => (state.unit === "cells" ? i + 1 : run.finished[i]);

  /* Of both strategies in the chosen run: every cell with the time at which it was first met, and the cells that were
   * the best so far. `shared` counts the cells with which both began. */
  function tracked() {
    const found = [state.first, state.second].filter((number) => number >= 0).map((number) => {
      const one = problem.strategies[number], run = problem.runs.find((other) => other.strategy === number && other.run === state.run);
      const track = { ...one, run, cells: [], times: [], first: new Map(), bests: [] };
      let best = Infinity;
      (run ? [...run.cells] : []).forEach((cell, i) => {
        if (cell < 0) return;
        const time = finished(run, i);
        if (!track.first.has(cell)) {
          track.first.set(cell, time);
          track.cells.push(cell);
          track.times.push(time);
        }
        if (problem.single && problem.feasible[cell] && problem.score.values[cell] < best) {
          best = problem.score.values[cell];
          track.bests.push({ cell, time, i });
        }
      });
      return track;
    });
    const [a, b] = found.map((one) => one.run);
    let shared = 0;
    if (a && b) while (shared < Math.min(a.trials, b.trials, problem.first_cells) && a.cells[shared] === b.cells[shared]) shared++;
    return { list: found, shared };
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

  const met = (one) => one.cells.slice(0, count(one.times, state.time));
  const bestsOf = (one) => one.bests.filter(({ time }) => time <= state.time);
  const both = () => problem.tracks.list;

  /* The cells that no other of some beats in every objective. */
  function unbeaten(cells) {
    const parts = problem.columns.filter((column) => column.group === "score");
    const beats = (a, b) => parts.every(({ values }) => values[a] <= values[b]) && parts.some(({ values }) => values[a] < values[b]);
    const able = cells.filter((cell) => problem.feasible[cell]);
    return able.filter((cell) => !able.some((other) => beats(other, cell)));
  }

  /* The cells that the table shows, in its order. */
  function rows() {
    const of = byId("rows-of").value;
    const cells = of === "every" ? [...problem.all]
      : of === "two" ? [...new Set(both().flatMap((one) => met(one)))]
      : [...problem.metBy.keys()].filter((cell) => cell >= 0 && !Number.isNaN(firstMet(cell)));
    const key = sortKey();
    const keys = new Map(cells.map((cell) => [cell, key(cell)]));
    const sign = state.down ? -1 : 1;
    return cells.sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
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

  /* The runs that the table counts: those of the two that are compared, or all. */
  const counted = (run) => byId("rows-of").value !== "two" || (run.run === state.run && [state.first, state.second].includes(run.strategy));

  /* When a counted run first evaluated a cell; NaN where none has until now. */
  function firstMet(cell) {
    let first = Infinity;
    for (const run of problem.metBy.get(cell) ?? []) if (counted(run)) first = Math.min(first, finished(run, run.cells.indexOf(cell)));
    return first <= state.time ? first : NaN;
  }

  /* The strategies that met a cell so far, each with its number of counted runs that did. */
  function finders(cell) {
    const counts = new Map();
    for (const run of problem.metBy.get(cell) ?? []) {
      if (counted(run) && finished(run, run.cells.indexOf(cell)) <= state.time) counts.set(run.strategy, (counts.get(run.strategy) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => a[0] - b[0]).map(([number, runs]) => ({ ...problem.strategies[number], of: problem.strategies[number].runs, runs }));
  }

  /* Everything that cells can be selected by: the choices of the space, then its numbers. */
  function dimensions() {
    return problem.dimensions ??= [
      ...problem.positions.map(({ name, options, values }) => ({ name, options, values, text: name })),
      ...problem.columns.map((column) => ({ ...column, options: null, text: withUnit(column) })),
    ];
  }

  /* Whether a cell is selected; everything is, as long as nothing was chosen. */
  function chosen(cell) {
    for (const [number, ranges] of state.limits) {
      const value = dimensions()[number].values[cell];
      if (!ranges.some(([low, high]) => value >= low && value <= high)) return false;
    }
    return true;
  }

  const selecting = () => state.limits.size > 0;

  // ---- numbers and words ------------------------------------------------------------------------------------------

  function shown(column, value) {
    if (!Number.isFinite(value)) return "–";
    const digits = column.decimals === null ? { maximumSignificantDigits: 4 }
      : { minimumFractionDigits: column.decimals, maximumFractionDigits: column.decimals };
    return value.toLocaleString("en-GB", digits).replace("-", "−");
  }

  const unitOf = (column) => (column.unit && column.unit !== column.name ? column.unit : "");
  const heading = (column) => (column.group === "score" && column.text ? `${column.name} = ${column.text}` : column.name);
  const withUnit = (column) => column.name + (unitOf(column) ? ` (${unitOf(column)})` : "");
  const clockUnit = () => (state.unit === "cells" ? "evaluations" : problem.unit);
  const counting = (n, word) => `${n.toLocaleString("en-GB")} ${word}${n === 1 ? "" : "s"}`;

  function duration(time) {
    if (state.unit === "cells") return `${Math.round(time).toLocaleString("en-GB")} cells`;
    if (problem.unit === "queries") return `${Math.round(time).toLocaleString("en-GB")} queries`;
    const [divisor, unit] = [[86400, "days"], [3600, "hours"], [60, "minutes"], [1, "seconds"]]
      .find(([length]) => state.end >= 3 * length) ?? [1, "seconds"];
    return `${(time / divisor).toLocaleString("en-GB", { maximumFractionDigits: 1 })} simulated ${unit}`;
  }

  /* When something was found, as a sentence says it. */
  const since = (time) => (state.unit === "cells" ? `cell ${time.toLocaleString("en-GB")}` : duration(time));

  /* Numbers with as many decimals as tell them apart, four at least. */
  function apart(...values) {
    const finite = values.filter(Number.isFinite), distinct = new Set(finite).size;
    let decimals = 4;
    while (decimals < 8 && new Set(finite.map((value) => value.toFixed(decimals))).size < distinct) decimals++;
    return (value) => (Number.isFinite(value) ? value.toFixed(decimals).replace("-", "−") : "none");
  }

  const short = (option) => (option.length > 14 ? `${option.slice(0, 13)}…` : option);

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

  /* The mark of a strategy around a point. */
  function markAt(one, x, y, scale = 1) {
    const look = one.hollow ? { fill: "var(--paper)", stroke: one.colour, "stroke-width": 2.2 } : { fill: one.colour, stroke: "var(--paper)", "stroke-width": 1.2 };
    if (one.ring) look["stroke-dasharray"] = "3 1.6";
    return drawn("path", { d: one.path, transform: `translate(${x} ${y}) scale(${scale})`, "paint-order": "stroke", ...look });
  }

  const markOf = (one) => drawn("svg", { viewBox: "-7 -7 14 14", class: "mark-of", "aria-hidden": "true" }, markAt(one, 0, 0));

  /* The drawing of a cell: its marks, which are drawn already. */
  function drawing(cell) {
    const { size, marks, codes, starts } = problem.drawings;
    const picture = drawn("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, role: "img", "aria-label": problem.texts[cell] });
    picture.innerHTML = Array.from(codes.subarray(starts[cell], starts[cell + 1]), (code) => marks[code]).join("");
    return picture;
  }

  /* Instead of a drawing, where a space has none: the option at every position. */
  function choicesOf(cell) {
    const list = make("dl", { class: "choices" });
    for (const { name, options, values } of problem.positions) {
      list.append(make("dt", { text: name }), make("dd", { text: options[values[cell]] }));
    }
    return list;
  }

  const picture = (cell) => (problem.drawings ? drawing(cell) : choicesOf(cell));

  // ---- what the run came to ---------------------------------------------------------------------------------------

  const optimal = (cell) => problem.optimum !== null && problem.score.values[cell] - problem.score.values[problem.optimum] <= SAME * problem.range;

  const answers = {
    draw() {
      byId("finding").replaceChildren(...(problem.single ? this.single() : this.several()));
      byId("answers").replaceChildren(...both().map((one) => this.card(one)));
    },

    single() {
      const [a, b] = both(), [x, y] = both().map((one) => bestsOf(one).at(-1));
      const name = (one) => make("strong", { text: one.name });
      const when = state.time >= state.end ? "In this run " : `After ${since(state.time)} of this run `;
      const value = (best) => problem.score.values[best?.cell] ?? NaN;
      const text = apart(value(x), value(y));
      if (!b || !x || !y) {
        const told = both().map((one) => {
          const best = bestsOf(one).at(-1);
          return [name(one), !one.run ? " has no run of this number" : best ? ` has ${text(value(best))}, since ${since(best.time)}` : " has no feasible cell yet"];
        });
        return [when, ...told.flatMap((one, i) => (i ? ["; ", ...one] : one)), "."];
      }
      const [better, worse, p, q] = value(x) <= value(y) ? [a, b, x, y] : [b, a, y, x];
      const verb = state.time >= state.end ? "ends" : "is";
      const gap = value(q) - value(p), alike = problem.identities[x.cell] === problem.identities[y.cell];
      if (gap <= SAME * problem.range) {
        const same = x.cell === y.cell ? "the same cell" : alike ? "isomorphic cells" : "different cells of the same score";
        return [when, name(a), " and ", name(b), ` ${verb === "ends" ? "end at" : "have"} ${same}, ${text(value(x))}: since ${since(x.time)} and since ${since(y.time)}.`];
      }
      return [when, name(better), ` ${verb} ${apart(gap, 0)(gap)} below `, name(worse), `: ${text(value(p))} since ${since(p.time)}, against ${text(value(q))} since ${since(q.time)}.`, alike ? " The two cells are isomorphic." : ""];
    },

    several() {
      const size = problem.front.reduce((sum, on) => sum + on, 0);
      const told = both().map((one, i) => {
        const hit = met(one).filter((cell) => problem.front[cell]).length;
        const own = unbeaten(met(one)).length;
        return [make("strong", { text: one.name }), !one.run ? " has no run of this number" : i ? ` ${size ? hit : own}` : ` evaluated ${size ? `${hit} of the ${counting(size, "cell")} of the exact front` : counting(own, "cell")}`];
      });
      const when = state.time >= state.end ? "In this run " : `After ${since(state.time)} of this run `;
      return [when, ...told.flatMap((one, i) => (i ? [", ", ...one] : one)), size ? "." : ", each dominated by no other cell of the same strategy."];
    },

    /* A strategy's answer: its best cell, or of a front the cell that is best in the first objective. */
    answer(one) {
      if (problem.single) return bestsOf(one).at(-1);
      const values = problem.columns[0].values, cells = unbeaten(met(one));
      const cell = cells.reduce((best, other) => (best === null || values[other] < values[best] ? other : best), null);
      return cell === null ? undefined : { cell, time: one.first.get(cell) };
    },

    card(one) {
      const best = this.answer(one), made = make("div", { "data-answer": one.name }, make("h3", {}, markOf(one), one.name));
      if (!best) {
        made.append(make("p", { class: "quiet", text: one.run ? "no feasible cell yet" : "no run of this number" }));
        return made;
      }
      const { cell, time } = best;
      made.dataset.cell = problem.texts[cell];
      made.append(picture(cell));
      if (!problem.single) {
        const told = problem.columns.filter((column) => column.group === "score").map((column) => `${column.text} = ${shown(column, column.values[cell])}${unitOf(column) ? ` ${unitOf(column)}` : ""}`);
        made.append(make("p", { text: told.join(", ") }), make("p", { class: "quiet", text: `lowest ${problem.columns[0].text} among its cells; found at ${since(time)}${problem.front[cell] ? "; on the exact front" : ""}` }));
        return made;
      }
      const text = apart(...both().map((other) => problem.score.values[bestsOf(other).at(-1)?.cell]));
      const sum = problem.penalty ? ` = loss ${text(problem.loss.values[cell])} + penalty ${text(problem.penalty.values[cell])}` : "";
      const above = problem.optimum === null ? "" : optimal(cell) ? "; the optimum" : `; ${apart()(problem.score.values[cell] - problem.score.values[problem.optimum])} above the optimum`;
      made.append(make("p", {}, make("strong", { text: `score ${text(problem.score.values[cell])}` }), sum), make("p", { class: "quiet", text: `found at ${since(time)}${above}` }));
      return made;
    },
  };

  /* The strategies that met a cell in any run, as entries of the panel. */
  function evaluatedBy(cell) {
    const counts = new Map();
    for (const run of problem.metBy.get(cell) ?? []) counts.set(run.strategy, (counts.get(run.strategy) ?? 0) + 1);
    const entries = [make("div", { class: "rule", text: "evaluated by" })];
    for (const [number, runs] of [...counts].sort((a, b) => a[0] - b[0])) {
      const one = problem.strategies[number];
      entries.push(make("dt", {}, markOf(one), one.name), make("dd", { text: `${runs} of ${counting(one.runs, "run")}` }));
    }
    return counts.size ? entries : [...entries, make("dt", { text: "no run" }), make("dd")];
  }

  /* Name a cell, its numbers and who met it, beside its drawing. */
  function show(cell) {
    state.pointed = cell;
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
    const panel = byId("cell");
    panel.replaceChildren(make("h3", { text: state.kept === cell ? "This cell" : "The cell nearest to the pointer" }), picture(cell), make("code", { text: problem.texts[cell] }), ...place, list);
    panel.dataset.cell = problem.texts[cell];
    for (const row of byId("table").tBodies[0].rows) row.setAttribute("aria-selected", String(Number(row.dataset.cell) === cell));
    plane.point();
  }

  /* Name a cell until another is chosen; the pointer moves it no more. */
  function keep(cell) {
    state.kept = cell;
    show(cell);
  }

  // ---- the plane of cells -----------------------------------------------------------------------------------------

  const quantile = (values, share) => {
    const finite = Float64Array.from(values).filter(Number.isFinite).sort();
    return finite.length ? finite[Math.min(Math.floor(share * finite.length), finite.length - 1)] : 0;
  };

  /* Whether most of some numbers lie in the same corner of a linear axis. */
  const isWide = (values) => quantile(values, 0) > 0 && quantile(values, 0.9) > WIDE * quantile(values, 0.1);

  /* Round numbers of a range, about as many as wanted. */
  function ticks(from, to, wanted, log) {
    if (log) {
      const found = [];
      for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
        for (const digit of Math.log10(to / from) > 2.5 ? [1] : [1, 2, 5]) found.push(digit * 10 ** power);
      }
      return found.filter((value) => value >= from * (1 - 1e-9) && value <= to * (1 + 1e-9));
    }
    const rough = (to - from) / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= rough);
    const found = [];
    for (let i = Math.ceil(from / step - 1e-9); i * step <= to + 1e-9 * step; i++) found.push(Number((i * step).toPrecision(12)));
    return found;
  }

  /* Whether two boxes, each its left, top, width and height, share a place. */
  const overlap = ([x, y, width, height], [u, v, w, h]) => x < u + w && x + width > u && y < v + h && y + height > v;

  /* Ticks as text, all with the decimals that the finest needs. */
  function labels(values, log) {
    const step = values.length > 1 && !log ? values[1] - values[0] : 0;
    const decimals = step ? Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) : null;
    return values.map((value) => (decimals === null ? value.toLocaleString("en-GB", { maximumSignificantDigits: 3 })
      : value.toLocaleString("en-GB", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })).replace("-", "−"));
  }

  function scale(from, to, first, last, log) {
    const bend = log ? Math.log10 : (value) => value;
    const [low, high] = [bend(from), bend(to)];
    const at = (value) => first + ((bend(value) - low) / (high - low)) * (last - first);
    const back = (place) => { const value = low + ((place - first) / (last - first)) * (high - low); return log ? 10 ** value : value; };
    return { at, back, from, to, log };
  }

  const plane = {
    x: null, y: null, size: [0, 0], top: 24, bottom: 40, left: 46, right: 8,

    column: (axis) => problem.columns[state[axis]],

    /* The place of a cell on the drawing, or null outside of its axes' numbers. */
    place(cell) {
      const x = this.x.at(this.column("across").values[cell]), y = this.y.at(this.column("up").values[cell]);
      return Number.isFinite(x) && Number.isFinite(y) ? [x, y] : null;
    },

    inside: ([x, y], margin = 0) => x >= plane.left - margin && x <= plane.size[0] - plane.right + margin && y >= plane.top - margin && y <= plane.size[1] - plane.bottom + margin,

    /* Whether the axes are what the objective trades, so that fronts are lines. */
    trading() {
      const traded = problem.columns.filter((column) => column.group === "score" && !(problem.single && column === problem.score));
      const [x, y] = [this.column("across"), this.column("up")];
      return x !== y && traded.includes(x) && traded.includes(y);
    },

    /* Of some cells those that no other beats in both numbers shown, from left to right. */
    stair(cells) {
      const x = this.column("across").values, y = this.column("up").values, found = [];
      let low = Infinity;
      for (const cell of [...cells].sort((a, b) => x[a] - x[b] || y[a] - y[b])) if (y[cell] < low) { low = y[cell]; found.push(cell); }
      return found;
    },

    frontCells: () => problem.all.filter((cell) => problem.front[cell]),

    /* The range of an axis that holds what the reader asked for. */
    range(axis) {
      const column = this.column(axis), log = byId(`${axis}-log`).checked, frame = byId("frame").value;
      const numbers = (cells) => cells.map((cell) => column.values[cell]).filter((value) => Number.isFinite(value) && (!log || value > 0));
      const bend = (value) => (log ? Math.log10(value) : value);
      const ends = both().map((one) => answers.answer(one)?.cell).concat(problem.optimum ?? []).filter((cell) => cell !== undefined);
      let values;
      if (frame === "all") values = numbers(problem.all);
      else if (frame === "found" && ends.length) values = numbers(problem.single ? ends : ends.concat(this.frontCells()));
      else if (frame === "chosen" && selecting()) values = numbers(problem.all.filter(chosen));
      else {
        const all = numbers(problem.feasibleCells), [least, middle] = [quantile(all, 0), quantile(all, 0.5)];
        const far = middle > least ? bend(middle) + FAR * (bend(middle) - bend(least)) : Infinity;
        const most = quantile(all.filter((value) => bend(value) <= far), MOST_SHOWN);
        const last = problem.table && column.cut ? quantile(all, SHARE_SHOWN) : most;
        values = all.filter((value) => value <= last).concat(numbers(ends));
        const whole = values.concat(numbers(this.frontCells()));
        const span = (some) => bend(quantile(some, 1)) - bend(quantile(some, 0));
        if (!problem.single || span(whole) <= STRETCHED * span(values)) values = whole;
      }
      if (!values.length) return [log ? 1 : 0, log ? 10 : 1];
      const [low, high] = [bend(quantile(values, 0)), bend(quantile(values, 1))], margin = 0.04 * (high - low) || 0.01 * Math.abs(high) || 0.01;
      return [low - margin, high + margin].map((value) => (log ? 10 ** value : value));
    },

    draw() {
      const element = byId("plane"), width = Math.max(element.clientWidth, 280), narrow = width < NARROW;
      const height = narrow ? Math.min(430, Math.round(1.1 * width)) : Math.round(Math.min(560, 0.64 * width));
      this.size = [width, height];
      this.top = 26;
      this.bottom = 42;
      const [xr, yr] = [this.range("across"), this.range("up")];
      const yLog = byId("up-log").checked, xLog = byId("across-log").checked;
      const yTicks = ticks(...yr, narrow ? 6 : 7, yLog), xTicks = ticks(...xr, narrow ? 4 : 7, xLog);
      const yTexts = labels(yTicks, yLog), xTexts = labels(xTicks, xLog);
      this.left = 14 + 6.4 * Math.max(3, ...yTexts.map((text) => text.length));
      this.right = 10;
      this.x = scale(...xr, this.left, width - this.right, xLog);
      this.y = scale(...yr, height - this.bottom, this.top, yLog);
      const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "font-size": 11, fill: "var(--ink)" });
      const clip = drawn("clipPath", { id: "inside" }, drawn("rect", { x: this.left, y: this.top, width: width - this.left - this.right, height: height - this.top - this.bottom }));
      this.layers = Object.fromEntries(["cells", "diagonals", "front", "levels", "runs", "ring", "brush"].map((name) => [name, drawn("g", { "data-layer": name })]));
      const text = (content, x, y, look = {}) => { const one = drawn("text", { x, y, ...look }); one.textContent = content; return one; };
      const axes = drawn("g", { fill: "var(--quiet)" }, drawn("path", { d: `M${this.left} ${this.top}V${height - this.bottom}H${width - this.right}`, fill: "none", stroke: "var(--axis)" }));
      yTicks.forEach((tick, i) => axes.append(drawn("path", { d: `M${this.left - 4} ${this.y.at(tick)}h4`, stroke: "var(--axis)" }), text(yTexts[i], this.left - 8, this.y.at(tick) + 4, { "text-anchor": "end" })));
      let free = -Infinity;
      xTicks.forEach((tick, i) => {
        const x = this.x.at(tick), half = 3.2 * xTexts[i].length;
        axes.append(drawn("path", { d: `M${x} ${height - this.bottom}v4`, stroke: "var(--axis)" }));
        if (x - half < free + 6) return;
        free = x + half;
        axes.append(text(xTexts[i], Math.min(x, width - half), height - this.bottom + 16, { "text-anchor": "middle" }));
      });
      const [up, across] = [this.column("up"), this.column("across")];
      const room = Math.floor((width - 24) / 6);
      axes.append(text(`↑ ${this.title(up, room)}`, 0, 11, { fill: "var(--ink)", class: "title-up" }),
                  text(`${this.title(across, room)} →`, width - this.right, height - 6, { fill: "var(--ink)", "text-anchor": "end", class: "title-across" }));
      const layers = drawn("g", { "clip-path": "url(#inside)" }, this.layers.cells, this.layers.diagonals, this.layers.front);
      svg.append(clip, layers, axes, this.layers.levels, this.layers.runs, this.layers.ring, this.layers.brush);
      element.replaceChildren(svg);
      this.drawCells();
      this.drawDiagonals();
      this.drawFront();
      this.move();
      this.point();
      this.say();
    },

    title(column, room) {
      const words = problem.single && column === problem.loss ? `loss L = ${column.text}` : column === problem.penalty ? `penalty λR = ${column.text}`
        : column.group === "score" && column.text ? column.text : column.name;
      const unit = unitOf(column);
      const full = unit ? `${words}, ${unit}` : words;
      if (full.length <= room) return full;
      const brief = unit ? `${column.name}, ${unit}` : column.name;
      return brief.length <= room ? brief : `${brief.slice(0, room - 1)}…`;
    },

    /* Cells in hexagons: how many lie there, or how good they are on average, in greys. */
    drawCells() {
      const radius = this.size[0] < NARROW ? 6.4 : 5.6, wide = radius * Math.sqrt(3), step = 1.5 * radius;
      const column = problem.columns[state.colour], bins = new Map(), faint = new Map(), crossed = new Map();
      const active = selecting();
      for (const cell of problem.drawn ? problem.all.filter((one) => problem.drawn[one]) : problem.all) {
        const place = this.place(cell);
        if (!place || !this.inside(place, radius)) continue;
        let row = Math.round(place[1] / step), across = Math.round(place[0] / wide - (row & 1) / 2);
        const off = place[1] / step - row;
        if (Math.abs(off) * 3 > 1) {          // the corner may be of a hexagon above or below
          const dx = place[0] / wide - across - (row & 1) / 2, other = row + (off < 0 ? -1 : 1);
          const near = Math.round(place[0] / wide - (other & 1) / 2);
          const dx2 = place[0] / wide - near - (other & 1) / 2, dy2 = place[1] / step - other;
          if (3 * dx * dx + 2.25 * off * off > 3 * dx2 * dx2 + 2.25 * dy2 * dy2) [row, across] = [other, near];
        }
        const key = row * 10_000 + across, into = !problem.feasible[cell] ? crossed : active && !chosen(cell) ? faint : bins;
        const bin = into.get(key) ?? { x: (across + (row & 1) / 2) * wide, y: row * step, n: 0, sum: 0, valued: 0 };
        bin.n++;
        if (column && Number.isFinite(column.values[cell])) { bin.sum += column.values[cell]; bin.valued++; }
        into.set(key, bin);
      }
      const r = radius - 0.4, dx = (r * Math.sqrt(3)) / 2;
      const hexagon = ({ x, y }) => `M${x.toFixed(1)} ${(y - r).toFixed(1)}l${dx.toFixed(2)} ${r / 2}v${r}l${-dx.toFixed(2)} ${r / 2}l${-dx.toFixed(2)} ${-r / 2}v${-r}z`;
      const most = Math.max(2, ...[...bins.values()].map((bin) => bin.n));
      const ends = column ? [quantile(column.values, column.larger ? 1 : 0), quantile(column.values, column.larger ? 0.2 : 0.8)] : null;
      const levels = SHADES.map(() => []);
      for (const bin of bins.values()) {
        if (column && !bin.valued) continue;
        const share = column ? 1 - (bin.sum / bin.valued - ends[0]) / (ends[1] - ends[0] || 1) : Math.log(bin.n) / Math.log(most);
        levels[Math.min(Math.max(Math.floor(share * SHADES.length), 0), SHADES.length - 1)].push(bin);
      }
      this.bins = { most, ends, shown: bins.size };
      const layer = this.layers.cells;
      layer.replaceChildren();
      if (faint.size) layer.append(drawn("path", { d: [...faint.values()].map(hexagon).join(""), fill: "var(--ink)", "fill-opacity": 0.035 }));
      if (crossed.size) layer.append(drawn("path", { d: [...crossed.values()].map(hexagon).join(""), fill: "none", stroke: "var(--line)", "data-infeasible": [...crossed.values()].reduce((sum, bin) => sum + bin.n, 0) }));
      levels.forEach((held, level) => {
        if (held.length) layer.append(drawn("path", { d: held.map(hexagon).join(""), fill: "var(--ink)", "fill-opacity": SHADES[level], "data-cells": held.reduce((sum, bin) => sum + bin.n, 0) }));
      });
    },

    /* Lines of equal score, where the axes are loss and penalty. */
    drawDiagonals() {
      const layer = this.layers.diagonals, [x, y] = [this.column("across"), this.column("up")];
      layer.replaceChildren();
      this.layers.levels.replaceChildren();
      this.blocked = [];
      const level = problem.single && y === problem.loss && (x === problem.penalty || !problem.penalty), turned = problem.penalty && x === problem.loss && y === problem.penalty;
      if (!level && !turned) return;
      const flat = !problem.penalty, optimum = problem.optimum === null ? null : problem.score.values[problem.optimum];
      const low = flat ? this.y.from : this.x.from + this.y.from, high = flat ? this.y.to : this.x.to + this.y.to;
      const wanted = ticks(low, high, 6, false).filter((one) => optimum === null || Math.abs(one - optimum) > 0.03 * (high - low) && one > optimum);
      const names = labels(wanted, false).map((text, i) => [wanted[i], i ? text : `score ${text}`]);
      if (optimum !== null) names.unshift([optimum, this.size[0] < NARROW ? "optimum" : `optimum, ${apart()(optimum)}`]);
      if (flat) names.splice(optimum === null ? 0 : 1);
      const [right, ground] = [this.size[0] - this.right, this.size[1] - this.bottom], front = [];
      this.block(this.corners(), front, 1);
      const best = optimum === null ? null : this.place(problem.optimum);
      if (best) front.push([best[0] - 10, best[1] - 10, 20, 20, 1]);
      for (const [score, name] of names) {
        const points = Array.from({ length: 61 }, (_, i) => {
          const px = this.left + ((right - this.left) * i) / 60;
          return [px, this.y.at(flat ? score : score - this.x.back(px))];
        }).filter(([, py]) => Number.isFinite(py));
        layer.append(drawn("path", { d: `M${points.map((point) => point.map((one) => one.toFixed(1)).join(" ")).join("L")}`, fill: "none", stroke: "var(--axis)", "stroke-dasharray": "1.5 3.5", "data-score": score }));
        const long = 6.2 * name.length;
        const written = (last, side) => {          // a text that ends at a point, above its line or below it, and what it covers
          const [[ax, ay], [bx, by]] = [points[last - 1], points[last]], turn = Math.atan2(by - ay, bx - ax), [ux, uy] = [Math.cos(turn), Math.sin(turn)];
          const boxes = Array.from({ length: Math.ceil(long / 5) + 1 }, (_, i) => [bx - 5 * i * ux + 8 * side * uy - 7, by - 5 * i * uy - 8 * side * ux - 7, 14, 14, 0.7]);
          return { look: { transform: `translate(${bx} ${by}) rotate(${(turn * 180) / Math.PI})`, dy: side > 0 ? -4 : 12 }, boxes };
        };
        const last = flat ? Math.ceil((long + 8) / ((right - this.left) / 60)) : points.findLastIndex(([px, py]) => py <= ground - 12 && px <= right - 12 && py > this.top);
        if (last < 1 || last >= points.length || points[last][1] < this.top + 60 && !flat) continue;
        const ends = flat ? [last] : Array.from({ length: last }, (_, i) => last - i);
        const free = ({ boxes }) => !boxes.some((box) => front.some((other) => overlap(box, other))) && boxes.at(-1)[0] > this.left && boxes.at(-1)[1] > this.top && boxes[0][1] + 14 < ground;
        const found = [1, -1].flatMap((side) => ends.map((end) => written(end, side))).find(free) ?? (flat && written(last, 1));
        if (!found) continue;
        const text = drawn("text", { ...found.look, "text-anchor": "end", fill: "var(--quiet)", class: "cased" });
        text.textContent = name;
        this.layers.levels.append(text);
        this.blocked.push(...found.boxes);
      }
    },

    /* The cells that no other beats: a line where the axes are what the objective trades, else points. */
    drawFront() {
      const layer = this.layers.front, front = this.frontCells();
      layer.replaceChildren();
      this.frontLabel = null;
      if (!front.length || problem.single && !problem.penalty) return;
      const places = front.map((cell) => this.place(cell)).filter(Boolean);
      const line = this.trading() ? this.steps(this.stair(front)) : "";
      if (line) layer.append(drawn("path", { d: line, fill: "none", stroke: "var(--paper)", "stroke-width": 3.5 }), drawn("path", { d: line, fill: "none", stroke: "var(--ink)", "stroke-width": 1.4, "data-front": front.length }));
      if (!line || problem.columns.filter((column) => column.group === "score").length > 2 && !problem.single) {
        for (const [x, y] of places) layer.append(drawn("circle", { cx: x, cy: y, r: 2.2, fill: "none", stroke: "var(--ink)" }));
      }
      this.block(this.corners(), this.blocked, 0.12);
      if (line && places.length) {
        const [x, y] = places.sort((a, b) => b[0] - a[0])[0];
        this.frontLabel = [Math.min(x + 40, this.size[0] - this.right - 6), y];
      }
    },

    /* The corners of the front's line, with its ends at the edges; none where it is no line. */
    corners() {
      if (!this.trading()) return [];
      const places = this.stair(this.frontCells()).map((cell) => this.place(cell)).filter(Boolean);
      if (!places.length) return [];
      const within = places.flatMap(([x, y], i) => (i ? [[x, places[i - 1][1]], [x, y]] : [[x, y]]));
      const near = (value, from, to) => Math.min(Math.max(value, from - 20), to + 20);          // parts far outside the frame are short
      return [[places[0][0], this.top], ...within, [this.size[0], places.at(-1)[1]]]
        .map(([x, y]) => [near(x, this.left, this.size[0] - this.right), near(y, this.top, this.size[1] - this.bottom)]);
    },

    /* A staircase through cells from left to right, drawn on to the edges. */
    steps(cells, open = true) {
      const places = cells.map((cell) => this.place(cell)).filter(Boolean);
      if (!places.length) return "";
      const [x, y] = places[0].map((one) => one.toFixed(1));
      return `M${x} ${open ? this.top : y}V${y}${places.slice(1).map(([px, py]) => `H${px.toFixed(1)}V${py.toFixed(1)}`).join("")}${open ? `H${this.size[0] - this.right}` : ""}`;
    },

    /* Keep labels from a line through places. */
    block(places, taken, price) {
      places.slice(1).forEach(([x, y], i) => {
        const [u, v] = places[i], n = Math.min(Math.ceil(Math.hypot(x - u, y - v) / 6), 200) || 1;
        for (let k = 0; k <= n; k++) taken.push([u + ((x - u) * k) / n - 1, v + ((y - v) * k) / n - 1, 2, 2, price]);
      });
    },

    /* Only what the clock moves: the paths and answers of both strategies. */
    move() {
      const layer = this.layers.runs, lines = drawn("g", { "clip-path": "url(#inside)" }), marks = drawn("g", {}), texts = drawn("g", {});
      layer.replaceChildren(lines, marks, texts);
      const labels = [], stroke = (d, colour, dash = "", extra = {}) => {
        lines.append(drawn("path", { d, fill: "none", stroke: "var(--paper)", "stroke-width": 5, "stroke-linejoin": "round" }),
                     drawn("path", { d, fill: "none", stroke: colour, "stroke-width": 2, "stroke-linejoin": "round", ...(dash ? { "stroke-dasharray": dash } : {}), ...extra }));
      };
      const taken = [...this.blocked];          // what labels must not cover
      const path = (places) => `M${places.map((place) => place.map((one) => one.toFixed(1)).join(" ")).join("L")}`;
      const block = (places) => this.block(places, taken, 0.2);
      const { shared } = problem.tracks;
      if (byId("tried").checked) {
        for (const one of both()) for (const cell of met(one)) {
          const place = this.place(cell);
          if (place && this.inside(place)) { const mark = markAt(one, ...place, 0.55); mark.setAttribute("opacity", 0.7); mark.setAttribute("class", "tried"); marks.append(mark); }
        }
      }
      if (problem.single) {
        both().toReversed().forEach((one) => {
          const found = bestsOf(one).map((best) => ({ ...best, place: this.place(best.cell) })).filter(({ place }) => place);
          const own = found.filter(({ i }) => i >= shared), common = found.filter(({ i }) => i < shared);
          const start = common.at(-1), places = [...(start ? [start] : []), ...own].map(({ place }) => place);
          if (one === both()[0] && common.length > 1) { stroke(path(common.map(({ place }) => place)), "var(--ink)", "2 3.5", { "data-shared": common.length }); block(common.map(({ place }) => place)); }
          if (places.length > 1) { stroke(path(places), one.colour, one.dash, { "data-path": one.name, "data-points": own.length }); block(places); }
          for (const { place, time, i, cell } of found) {
            if (!this.inside(place, 1) || (i < shared && one !== both()[0])) continue;
            const last = cell === found.at(-1).cell;
            if (!last) marks.append(drawn("circle", { cx: place[0], cy: place[1], r: 3.4, fill: i < shared ? "var(--ink)" : one.colour, stroke: "var(--paper)", "stroke-width": 1.2 }));
            if (!last && state.unit === "cells") labels.push({ at: place, text: String(time), weight: 400, order: 2 });
          }
        });
        const [over, under] = both().map((one) => bestsOf(one).at(-1)).map((best) => best && this.place(best.cell));
        const hidden = over && under && Math.hypot(over[0] - under[0], over[1] - under[1]) < 9;
        for (const one of both().toReversed()) {
          const best = bestsOf(one).at(-1), place = best && this.place(best.cell);
          if (!place || !this.inside(place, 1)) continue;
          const mark = markAt(one, ...place, hidden && one !== both()[0] ? 2.3 : 1.35);
          mark.setAttribute("data-mark", one.name);
          marks.append(mark);
          taken.push([place[0] - 7, place[1] - 7, 14, 14, 3]);
          labels.push({ at: place, text: `${one.name}, ${since(best.time)}`, weight: 650, order: 0, far: 10 });
        }
      } else {
        for (const one of both().toReversed()) {
          const cells = this.trading() ? this.stair(unbeaten(met(one))) : unbeaten(met(one));
          const places = cells.map((cell) => this.place(cell)).filter(Boolean);
          const line = this.trading() ? this.steps(cells, false) : "";
          if (line) stroke(line, one.colour, one.dash, { "data-path": one.name, "data-points": cells.length });
          for (const cell of cells) {
            const place = this.place(cell);
            if (place && this.inside(place, 1)) { marks.append(markAt(one, ...place, problem.front[cell] ? 1.15 : 0.75)); taken.push([place[0] - 5, place[1] - 5, 10, 10, 1]); }
          }
          const end = places.filter((place) => this.inside(place, 1)).at(one === both()[0] ? -1 : 0);
          if (end) labels.push({ at: end, text: one.name, weight: 650, order: 0, far: 10 });
        }
      }
      if (this.frontLabel) labels.push({ at: this.frontLabel, text: problem.table ? "exact front" : "front", weight: 400, order: 1, ink: true });
      labels.sort((a, b) => a.order - b.order).forEach((label) => this.label(label, taken, texts));
    },

    /* Write a text where it covers least; a number that finds no room is left out, an answer never. */
    label({ at: [x, y], text, weight, order, far = 6, ink }, taken, texts) {
      const width = text.length * (weight > 400 ? 6.9 : 6.2), height = 13;
      const candidates = [[x + far, y - height / 2], [x - far - width, y - height / 2], [x - width / 2, y - far - height], [x - width / 2, y + far],
                          [x + far - 2, y - far - height + 2], [x - far - width + 2, y - far - height + 2], [x + far - 2, y + far - 2], [x - far - width + 2, y + far - 2],
                          ...(order === 0 ? [[x + far, y - 26], [x + far, y + 20], [x - far - width, y - 26], [x - far - width, y + 20], [x - width / 2, y + 34], [x - width / 2, y - 40]] : [])];
      let best = null;
      for (const [left, top] of candidates) {
        const out = left < 2 || left + width > this.size[0] - 2 || top < this.top - 4 || top + height > this.size[1] - this.bottom;
        let cost = out ? 100 : left < this.left ? 3 : 0;
        for (const other of taken) if (overlap([left, top, width, height], other)) cost += other[4];
        cost += 0.01 * Math.hypot(left + width / 2 - x, top + height / 2 - y);
        if (!best || cost < best.cost - 1e-9) best = { left, top, cost };
      }
      if (best.cost > (order === 0 ? Infinity : 2.5)) return;
      taken.push([best.left, best.top, width, height, 6]);
      const made = drawn("text", { x: best.left + width / 2, y: best.top + 10.5, "text-anchor": "middle", class: "cased", "font-size": weight > 400 ? 12 : 11, "font-weight": weight, fill: order === 2 ? "var(--quiet)" : "var(--ink)" });
      made.textContent = text;
      texts.append(made);
    },

    /* A ring around the cell that the panel names. */
    point() {
      const layer = this.layers?.ring;
      if (!layer) return;
      layer.replaceChildren();
      const place = state.pointed === null ? null : this.place(state.pointed);
      if (place && this.inside(place, 1)) layer.append(drawn("circle", { cx: place[0], cy: place[1], r: 8.5, fill: "none", stroke: "var(--paper)", "stroke-width": 5 }),
        drawn("circle", { cx: place[0], cy: place[1], r: 8.5, fill: "none", stroke: "var(--ink)", "stroke-width": 2, class: "ring" }));
    },

    /* How to read the plane, and what it leaves out. */
    say() {
      const column = problem.columns[state.colour], words = [];
      const cells = problem.drawn ? problem.all.filter((cell) => problem.drawn[cell]) : problem.all;
      const inside = cells.filter((cell) => { const place = this.place(cell); return place && this.inside(place); }).length;
      const grey = column ? `Grey: ${column.name} on average, the darker the better` : "Grey: number of cells, on a log scale";
      words.push(problem.drawn ? `${grey}; ${cells.length.toLocaleString("en-GB")} of all ${problem.cells.toLocaleString("en-GB")} cells, sampled at random.` : `${grey}.`);
      if (problem.feasibleCells.length < problem.n) words.push("Outlined: cells that violate a constraint.");
      if (problem.single) {
        const began = problem.tracks.shared ? `; dotted: the ${counting(problem.tracks.shared, "initial cell")}, the same for both` : "";
        words.push(`Lines: the best cell so far of each${state.unit === "cells" ? ", numbered by the cell's place in the run" : ""}${began}.`);
        if (this.layers.diagonals.childElementCount) words.push(problem.penalty ? "Diagonals: equal scores." : "Dotted across: the optimum.");
      } else words.push(this.trading() ? "Coloured lines: the front of each strategy's own cells; large marks are on the exact front." : "Marks: the front of each strategy's own cells.");
      if (inside < cells.length) words.push(`${counting(cells.length - inside, "cell")} of ${cells.length.toLocaleString("en-GB")} ${cells.length - inside === 1 ? "lies" : "lie"} outside the frame.`);
      const front = this.frontCells();
      const cut = front.filter((cell) => { const place = this.place(cell); return !place || !this.inside(place, 1); });
      if (front.length && (problem.penalty || !problem.single)) words.push(cut.length ? `${cut.length} of the front's ${counting(front.length, "cell")} ${cut.length === 1 ? "is" : "are"} outside too.` : `The frame contains the whole front, ${counting(front.length, "cell")}.`);
      words.push("Point at the plane to see the nearest cell, click to keep it, drag to select.");
      byId("caption").textContent = words.join(" ");
      const selected = selecting() ? problem.all.filter(chosen).length : 0;
      byId("selected").textContent = selecting() ? `${counting(selected, "cell")} selected: ${[...state.limits].map(([number, ranges]) => this.limit(number, ranges)).join(", ")}.` : "";
      byId("clear").hidden = !selecting();
    },

    limit(number, ranges) {
      const dimension = dimensions()[number];
      if (dimension.options) return `${dimension.name} ${ranges.map(([value]) => dimension.options[value]).join(" or ")}`;
      const [low, high] = ranges[0];
      const text = (value) => shown(dimension, value);
      return low === -Infinity ? `${dimension.name} up to ${text(high)}` : high === Infinity ? `${dimension.name} from ${text(low)}` : `${dimension.name} ${text(low)} to ${text(high)}`;
    },

    /* The cells that lie where another lies, those that a run evaluated first. */
    here(cell) {
      const [x, y] = [problem.columns[state.across].values, problem.columns[state.up].values];
      const found = Array.from(x.keys()).filter((other) => x[other] === x[cell] && y[other] === y[cell]);
      const seen = new Set(found.filter((other) => problem.metBy.has(other)));
      return [...found.filter((other) => seen.has(other)), ...found.filter((other) => !seen.has(other))];
    },

    /* The cell nearest to a point of the drawing; those on the paths of the strategies first. */
    nearest([px, py]) {
      const on = new Set(both().flatMap((one) => bestsOf(one).map(({ cell }) => cell)));
      let best = null, least = NEAR;
      for (const cell of problem.all) {
        const place = this.place(cell);
        if (!place || !this.inside(place, 1)) continue;
        const far = Math.hypot(place[0] - px, place[1] - py) - (on.has(cell) ? 6 : 0);
        if (far < least) [best, least] = [cell, far];
      }
      return best;
    },

    at(event) {
      const box = byId("plane").firstElementChild.getBoundingClientRect(), zoom = this.size[0] / box.width;
      return [(event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom];
    },

    /* Pointing, keeping and dragging. */
    listen() {
      const element = byId("plane");
      let start = null;
      element.addEventListener("pointerdown", (event) => { start = event.button === 0 ? this.at(event) : null; });
      element.addEventListener("pointermove", (event) => {
        const now = this.at(event);
        if (start && event.pointerType !== "touch" && Math.hypot(now[0] - start[0], now[1] - start[1]) > 6) {
          if (event.buttons & 1) element.setPointerCapture(event.pointerId); else { start = null; this.layers.brush.replaceChildren(); return; }
          const [x, y] = [Math.min(start[0], now[0]), Math.min(start[1], now[1])];
          this.layers.brush.replaceChildren(drawn("rect", { x, y, width: Math.abs(start[0] - now[0]), height: Math.abs(start[1] - now[1]), fill: "var(--accent)", "fill-opacity": 0.12, stroke: "var(--accent)" }));
        } else if (state.kept === null && !start) {
          const cell = this.nearest(now);
          if (cell !== null && cell !== state.pointed && !this.here(cell).includes(state.pointed)) show(this.here(cell)[0]);
        }
      });
      element.addEventListener("pointerup", (event) => {
        if (!start) return;
        const now = this.at(event), from = start, dragged = this.layers.brush.childElementCount > 0;
        start = null;
        this.layers.brush.replaceChildren();
        if (dragged) return this.select(from, now);
        const cell = this.nearest(now);
        if (cell === null) { state.kept = null; return; }
        const cells = this.here(cell), at = cells.indexOf(state.kept);
        keep(at < 0 ? (cells.includes(state.pointed) ? state.pointed : cells[0]) : cells[(at + 1) % cells.length]);
      });
      element.addEventListener("pointercancel", () => { start = null; this.layers.brush.replaceChildren(); });
    },

    /* Select the cells of a rectangle, by the numbers of both axes. */
    select([ax, ay], [bx, by]) {
      const between = (axis, a, b) => [[a, b].map((place) => axis.back(place)).sort((u, v) => u - v)];
      state.limits.set(problem.positions.length + state.across, between(this.x, ax, bx));
      state.limits.set(problem.positions.length + state.up, between(this.y, ay, by));
      refresh("selection");
    },
  };

  // ---- what cells are made of -------------------------------------------------------------------------------------

  const panels = {
    /* The shares of every option among some cells. */
    among(cells) {
      return problem.positions.map(({ options, values }) => {
        const counts = options.map(() => 0);
        for (const cell of cells) counts[values[cell]]++;
        return counts.map((n) => n / Math.max(cells.length, 1));
      });
    },

    draw() {
      const held = problem.positions.filter(({ options }) => options.length > 1);
      byId("made").hidden = !held.length;
      if (!held.length) return;
      const told = problem.shares ?? this.fallback();
      const [title, words] = [byId("made").querySelector("h2"), byId("made").querySelector("p")];
      const percent = (100 * told.best) / told.of;
      const best = told.front ? "the exact front" : told.evaluated ? `the best ${told.best} evaluated cells` : Math.abs(percent - 1) < 0.05 ? "the best 1 %" : `the best ${told.best} cells`;
      title.textContent = `What ${best} ${told.evaluated || !told.front && Math.abs(percent - 1) >= 0.05 ? "are" : told.front ? "is" : "are"} made of`;
      const among = told.evaluated ? `all ${told.of} evaluated cells` : told.surveyed < told.of ? `${told.surveyed.toLocaleString("en-GB")} of all cells, sampled at random` : "all cells";
      const tried = both().map((one) => `${one.name} (${met(one).length})`).join(" and ");
      words.textContent = `Bars: share of each option, in %, among ${counting(told.best, told.front ? "cell" : "best cell")}; upright line: among ${among}. Marks: among the cells that ${tried} tried in this run. Click a bar to select.`;
      this.shares = both().map((one) => ({ one, shares: this.among(met(one)) }));
      const made = held.map((position) => this.panel(position, told));
      byId("panels").replaceChildren(...made.slice(0, MOST_PANELS));
      byId("more-panels").hidden = made.length <= MOST_PANELS;
      byId("more-panels").firstElementChild.textContent = `${made.length - MOST_PANELS} more positions`;
      byId("more-panels").lastElementChild.replaceChildren(...made.slice(MOST_PANELS));
    },

    fallback() {
      const order = problem.single ? [...problem.feasibleCells].sort((a, b) => problem.score.values[a] - problem.score.values[b]) : unbeaten(problem.feasibleCells);
      const best = problem.single ? order.slice(0, Math.max(Math.floor(problem.n / 100), 20)) : order;
      return { best: best.length, of: problem.n, surveyed: problem.n, evaluated: true, front: false, among_best: this.among(best), among_all: this.among(problem.all) };
    },

    panel({ name, number, options }, told) {
      const [best, all] = [told.among_best[number], told.among_all[number]];
      const row = 22, label = Math.min(96, 10 + 6.3 * Math.max(...options.map((option) => short(option).length))), width = 190, bar = width - label - 34;
      const largest = Math.max(0.01, ...best, ...all, ...this.shares.flatMap(({ shares }) => shares[number]));
      const at = (share) => label + (bar * share) / largest;
      const svg = drawn("svg", { viewBox: `0 0 ${width} ${row * options.length}`, "font-size": 11, fill: "var(--ink)", "data-position": name });
      options.forEach((option, o) => {
        const y = row * o, pressed = (state.limits.get(number) ?? []).some(([low]) => low === o);
        const text = (content, x, anchor, fill) => { const one = drawn("text", { x, y: y + 15, "text-anchor": anchor, fill }); one.textContent = content; return one; };
        const toggle = () => this.toggle(number, o);
        const one = drawn("g", { class: "option", role: "button", tabindex: 0, "aria-pressed": String(pressed), "aria-label": `${name}: ${option}`, "data-option": o },
          drawn("rect", { class: "hit", x: 0, y, width, height: row, fill: "transparent" }), text(short(option), label - 6, "end", "var(--ink)"),
          drawn("rect", { x: label, y: y + 4, width: Math.max(at(best[o]) - label, 0), height: row - 8, fill: "var(--axis)", "fill-opacity": 0.55, "data-share": best[o] }),
          drawn("path", { d: `M${at(all[o])} ${y}v${row}`, stroke: "var(--quiet)", "stroke-width": 1.2 }),
          ...this.shares.map(({ one: strategy, shares }, i) => markAt(strategy, at(shares[number][o]), y + (i ? 15.5 : 6.5), 0.62)),
          text(Math.round(100 * best[o]) + (o ? "" : " %"), width - (o ? 11.5 : 0), "end", "var(--quiet)"));
        one.addEventListener("click", toggle);
        one.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); document.querySelector(`[data-position="${CSS.escape(name)}"] [data-option="${o}"]`)?.focus(); } });
        svg.append(one);
      });
      return make("div", {}, make("h3", { text: name }), svg);
    },

    toggle(number, option) {
      const before = state.limits.get(number) ?? [], rest = before.filter(([low]) => low !== option);
      const ranges = rest.length < before.length ? rest : [...before, [option, option]];
      if (ranges.length) state.limits.set(number, ranges); else state.limits.delete(number);
      refresh("selection");
    },
  };

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
      byId("csv-selected").disabled = !selecting();
    },

    row(cell, heads) {
      const row = make("tr", { tabindex: "0", "data-cell": cell, "aria-selected": String(cell === state.pointed),
                               onclick: () => keep(cell), onfocus: () => { if (state.pointed !== cell) keep(cell); } });
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
      state.end = Math.max(1, ...both().map(({ run }) => (run?.trials ? finished(run, run.trials - 1) : 0)));
    }
    if (what !== "rows") answers.draw();
    if (what === "time") plane.move(); else if (what !== "rows") plane.draw();
    if (what !== "rows") panels.draw();
    table.draw();
  }

  function tick() {
    const slider = byId("time");
    byId("now").textContent = state.unit === "cells" ? counting(Math.floor(state.time), "cell") : duration(state.time);
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

  /* Other strategies, another run or clock: the time stays at its share. */
  function choose(change) {
    const share = state.time / state.end;
    player.stop();
    Object.assign(state, change);
    byId("first").value = state.first;
    byId("second").value = state.second;
    byId("run").value = state.run;
    problem.tracks = tracked();
    state.end = Math.max(1, ...both().map(({ run }) => (run?.trials ? finished(run, run.trials - 1) : 0)));
    setClock(share);
    refresh("runs");
    const at = problem.numbers.indexOf(state.run);
    byId("before").disabled = at <= 0;
    byId("after").disabled = at >= problem.numbers.length - 1;
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
    options(byId("colour"), [{ group: "", value: -1, text: "how many cells" }, ...columnOptions()], state.colour);
    options(byId("limit"), dimensions().map((one, i) => ({ group: one.options ? "choices" : "numbers", value: i, text: one.text })), problem.positions.length);
    options(byId("unit"), [{ value: "cells", text: "cells" }, { value: "cost", text: problem.unit === "queries" ? "queries" : "simulated seconds" }], state.unit);
    options(byId("run"), problem.numbers.map((n, i) => ({ value: n, text: `run ${i + 1} of ${problem.numbers.length}` })), state.run);
    const names = problem.strategies.map((one) => ({ value: one.number, text: one.name }));
    options(byId("first"), names, state.first);
    options(byId("second"), [...names, { value: -1, text: "none" }], state.second);
  }

  function setHeadings() {
    const number = (problem.cells ?? problem.n).toLocaleString("en-GB");
    byId("title").textContent = problem.cells === null ? `${number} evaluated cells of ${problem.benchmark}` : `The ${number} cells of ${problem.benchmark}`;
    byId("about").textContent = problem.title;
    byId("objective").textContent = problem.objective;
    byId("banner").hidden = !problem.banner;
    byId("banner").textContent = problem.banner;
    const cells = problem.cells === null ? `${counting(problem.n, "evaluated cell")}`
      : problem.n === problem.cells ? `all ${problem.n.toLocaleString("en-GB")} cells`
      : `${problem.n.toLocaleString("en-GB")} of ${number} cells, as this file stays below 6 MB: those evaluated, the exact front, and a fixed draw`;
    const made = problem.runs.length, all = problem.runs_made;
    const rest = made < all ? `the first ${made.toLocaleString("en-GB")} of ${all.toLocaleString("en-GB")} runs, as more would not fit into 6 MB (snas report of the problem's own folder has room for more)`
      : `${made === 1 ? "the only run" : `all ${counting(made, "run")}`} of ${problem.strategies.length === 1 ? "one strategy" : `${problem.strategies.length} strategies`}`;
    byId("counts").textContent = `${cells}; ${rest}; fingerprint ${problem.fingerprint}`;
  }

  async function open(number) {
    player.stop();
    problem = await opened(number);
    problem.number = number;
    const named = (name) => problem.columns.findIndex((column) => column.name === name);
    const grouped = (group) => problem.columns.findIndex((column) => column.group === group);
    const cost = [grouped("costs"), problem.columns.findIndex((column) => column.group !== "score"), 0].find((i) => i >= 0);
    const order = [...problem.strategies].sort((a, b) => a.worth - b.worth), first = order[0].number;
    const plain = problem.strategies.find((one) => one.name === "random" && one.number !== first);
    Object.assign(state, {
      across: problem.axes[0] === null ? cost : named(problem.axes[0]), up: named(problem.axes[1]), colour: -1,
      first, second: (plain ?? order[1])?.number ?? -1, run: problem.numbers[0], unit: "cells", sort: null, down: false,
      limits: new Map(), rows: PAGE, pointed: null, kept: null, time: 1, end: 1,
    });
    byId("tried").checked = false;
    byId("rows-of").value = "two";
    for (const axis of ["up", "across"]) byId(`${axis}-log`).checked = isWide(problem.columns[state[axis]].values);
    byId("frame").value = "near";
    setControls();
    setHeadings();
    byId("cell").replaceChildren(make("p", { class: "quiet", text: "Point at the plane to see the nearest cell; click to keep it here." }));
    delete byId("cell").dataset.cell;
    choose({});
    document.body.dataset.opened = Number(document.body.dataset.opened ?? 0) + 1;
  }

  function listen() {
    const on = (id, event, act) => byId(id)?.addEventListener(event, act);
    const numeric = (event) => Number(event.target.value);
    on("problem", "change", (event) => open(numeric(event)));
    for (const id of ["first", "second", "run"]) on(id, "change", (event) => choose({ [id]: numeric(event) }));
    for (const [id, step] of [["before", -1], ["after", 1]]) on(id, "click", () => choose({ run: problem.numbers[problem.numbers.indexOf(state.run) + step] ?? state.run }));
    for (const id of ["up", "across"]) on(id, "change", (event) => {
      state[id] = numeric(event);
      byId(`${id}-log`).checked = isWide(problem.columns[state[id]].values);
      plane.draw();
    });
    on("colour", "change", (event) => { state.colour = numeric(event); plane.draw(); table.draw(); });
    for (const id of ["up-log", "across-log", "frame", "tried"]) on(id, "change", () => plane.draw());
    on("play", "click", () => player.toggle());
    on("time", "input", (event) => { player.stop(); state.time = numeric(event); tick(); plane.move(); });
    on("time", "change", () => refresh("time"));
    on("unit", "change", (event) => choose({ unit: event.target.value }));
    on("rows-of", "change", () => { state.rows = PAGE; refresh("rows"); });
    on("more", "click", () => { state.rows += PAGE; table.draw(); });
    on("csv", "click", () => table.download(rows(), "cells.csv"));
    on("csv-selected", "click", () => table.download(rows().filter(chosen), "selection.csv"));
    on("apply", "click", () => {
      const number = Number(byId("limit").value), dimension = dimensions()[number];
      const read = (id, otherwise) => {
        const text = byId(id).value.trim(), place = dimension.options?.indexOf(text) ?? -1;
        return place >= 0 ? place : text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text);
      };
      state.limits.set(number, [[read("from", -Infinity), read("to", Infinity)]]);
      refresh("selection");
    });
    on("reset", "click", () => open(problem.number));
    on("clear", "click", () => { state.limits.clear(); if (byId("frame").value === "chosen") byId("frame").value = "near"; refresh("selection"); });
    on("plane", "keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const cells = rows().filter(chosen), at = cells.indexOf(state.pointed);
      if (cells.length) keep(cells[at < 0 ? 0 : Math.min(Math.max(at + step, 0), cells.length - 1)]);
    });
    plane.listen();
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; plane.draw(); } });
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
      byId("counts").textContent = "This page needs a browser of 2023 or later to unpack its data.";
      return;
    }
    listen();
    await open(0);
    ready("table");
    await painted();
    ready("all");
  });
})();
