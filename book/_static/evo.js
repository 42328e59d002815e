/* What a page can do beyond showing itself: the ledger's filter in its address, explorers, folds that open for a link, and a
   word under what scrolls sideways. Without this file every page still says everything. */
(() => {
  "use strict";

  // --- ledger: #verdict=holds&chapter=mae ------------------------------------------------------------------

  function ledger(root) {
    const form = root.querySelector("form"), said = root.querySelector("output");
    const radios = form.elements["evo-filter"], select = form.elements.chapter;
    const count = () => {
      const kind = radios.value === "all" ? "" : "." + radios.value;
      const section = select.value ? "#ledger-" + select.value + " " : "";
      const shown = root.querySelectorAll(section + ".evo-row" + kind).length;
      const all = root.querySelectorAll(".evo-row").length;
      said.textContent = shown === all ? all + " claims" : shown + " of " + all + " claims";
      root.classList.toggle("empty", shown === 0);
    };
    const write = () => {
      const state = new URLSearchParams();
      if (radios.value !== "all") state.set("verdict", radios.value);
      if (select.value) state.set("chapter", select.value);
      history.replaceState(history.state, "", state.size ? "#" + state : location.pathname + location.search);
      count();
    };
    const read = () => {
      const state = new URLSearchParams(location.hash.slice(1));
      const has = (options, value) => [...options].some((one) => one.value === value);
      radios.value = has(radios, state.get("verdict")) ? state.get("verdict") : "all";
      select.value = has(select.options, state.get("chapter")) ? state.get("chapter") : "";
      count();
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", write);
    addEventListener("hashchange", read);
    read();
  }

  // --- explorer: the same drawing as evo/explorer.py ----------------------------------------------------------

  const WIDTH = 600, HEIGHT = 330, LEFT = 64, RIGHT = 16, TOP = 14, BOTTOM = 52, COLOR = "#0072b2";
  const words = (name) => name.replaceAll("_", " ");

  function label(value) {
    if (value === null) return "–";
    return typeof value === "number" && Number.isInteger(value) && Math.abs(value) >= 10000 ? value.toLocaleString("en") : String(value);
  }

  function short(value) {  // four digits, as Python's .4g
    const text = Number(value).toPrecision(4), [digits, power] = text.split("e");
    const lean = digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
    const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(Number(text))));
    if (exponent >= 4 || exponent < -4) {
      const [mantissa, tens] = Number(value).toExponential(3).split("e");
      const sign = tens[0], size = tens.slice(1).padStart(2, "0");
      return mantissa.replace(/0+$/, "").replace(/\.$/, "") + "e" + sign + size;
    }
    return power ? String(Number(text)) : lean;
  }

  function read(data) {
    const n = data.controls.length, m = data.metrics.length;
    return data.points.map((text) => {
      const part = text.split(" "), y = part.slice(n + 2, n + 2 + m).map((v) => (v === "-" ? null : Number(v)));
      return { at: part.slice(0, n).map(Number), x: Number(part[n]), y, cut: part.length > n + 2 + m };
    });
  }

  const same = (a, b) => a.every((one, i) => one === b[i]);

  function means(points, metric, at) {
    const sums = new Map();
    for (const p of points) {
      if (!same(p.at, at) || p.y[metric] === null) continue;
      const [sum, count] = sums.get(p.x) || [0, 0];
      sums.set(p.x, [sum + p.y[metric], count + 1]);
    }
    return [...sums].sort((a, b) => a[0] - b[0]).map(([x, [sum, count]]) => [x, sum / count]);
  }

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) {
      const given = typeof value === "number" && ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy"].includes(key) ? value.toFixed(1) : value;
      made.setAttribute(key, given);
    }
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function draw(svg, data, points, metric, at) {
    const y = data.metrics[metric], right = WIDTH - RIGHT, floor = HEIGHT - BOTTOM;
    const across = (x) => LEFT + x * (right - LEFT), place = (x) => across(data.x.places[x]);
    const rise = (v) => TOP + ((y.high - v) / (y.high - y.low)) * (floor - TOP);
    const line = (found) => "M" + found.map(([x, v]) => place(x).toFixed(1) + " " + rise(v).toFixed(1)).join("L");
    const parts = [], add = (...made) => parts.push(element(...made));
    const write = (text, x, up, anchor = "middle", more = {}) => add("text", { x, y: up, "text-anchor": anchor, ...more }, text);
    for (const [v, text] of y.ticks) {
      add("line", { x1: LEFT, x2: right, y1: rise(v), y2: rise(v), stroke: "currentColor", "stroke-opacity": ".15" });
      write(text, LEFT - 8, rise(v) + 4, "end");
    }
    for (const [x, text] of data.x.ticks) write(text, across(x), floor + 18);
    write(words(data.along), (LEFT + right) / 2, HEIGHT - 8);
    write(y.label, 14, (floor + TOP) / 2, "middle", { transform: `rotate(-90 14 ${((floor + TOP) / 2).toFixed(1)})` });
    if (data.line) {
      const others = new Map(points.filter((p) => !same(p.at, at)).map((p) => [p.at.join(), p.at]));
      for (const other of others.values()) {
        const found = means(points, metric, other);
        if (found.length > 1) add("path", { d: line(found), fill: "none", stroke: "currentColor", "stroke-opacity": ".18" });
      }
    }
    for (const p of points) {
      if (!same(p.at, at) || p.y[metric] === null) continue;
      const fill = p.cut ? "none" : COLOR;
      add("circle", { cx: place(p.x), cy: rise(p.y[metric]), r: 4, fill, "fill-opacity": ".55", stroke: COLOR });
    }
    const found = means(points, metric, at);
    if (data.line && found.length > 1) {
      add("path", { d: line(found), fill: "none", stroke: COLOR, "stroke-width": 2.5 });
    } else {
      for (const [x, v] of found) {
        add("line", { x1: place(x) - 16, x2: place(x) + 16, y1: rise(v), y2: rise(v), stroke: COLOR, "stroke-width": 3 });
      }
    }
    if (!found.length) write("not recorded", (LEFT + right) / 2, (floor + TOP) / 2);
    svg.replaceChildren(...parts);
    const chosen = [y.short, ...data.controls.map((c, i) => words(c.name) + " " + label(c.values[at[i]]))].join("; ");
    const values = found.map(([x, v]) => label(data.x.values[x]) + ": " + short(v)).join("; ");
    svg.setAttribute("aria-label", `${chosen}; means along ${words(data.along)}: ${values || "not recorded"}`);
    return chosen + (found.length ? "" : ": not recorded");
  }

  let count = 0;

  function choice(name, kind, values, chosen, turn) {
    const id = "evo-control-" + count++;
    if (kind === "buttons") {
      const set = document.createElement("fieldset"), legend = document.createElement("legend");
      legend.textContent = words(name);
      set.append(legend);
      values.forEach((value, i) => {
        const box = document.createElement("label"), input = document.createElement("input");
        Object.assign(input, { type: "radio", name: id, value: String(i), checked: i === chosen });
        input.addEventListener("change", () => turn(i));
        box.append(input, value);
        set.append(box);
      });
      return set;
    }
    const box = document.createElement("label"), said = document.createElement("span");
    said.className = "name";
    said.textContent = words(name);
    if (kind === "slider") {
      const input = document.createElement("input"), now = document.createElement("output");
      Object.assign(input, { type: "range", min: "0", max: String(values.length - 1), step: "1", value: String(chosen) });
      const tell = (i) => { now.textContent = values[i]; input.setAttribute("aria-valuetext", values[i]); };
      input.addEventListener("input", () => { tell(Number(input.value)); turn(Number(input.value)); });
      tell(chosen);
      box.append(said, input, now);
    } else {
      const select = document.createElement("select");
      values.forEach((value, i) => select.append(new Option(value, i, i === chosen, i === chosen)));
      select.addEventListener("change", () => turn(Number(select.value)));
      box.append(said, select);
    }
    return box;
  }

  function explorer(figure) {
    const data = JSON.parse(figure.dataset.explorer), points = read(data);
    const svg = figure.querySelector("svg"), said = figure.querySelector(".evo-explorer-said");
    const at = [...points.find((p) => p.y[0] !== null).at];
    let metric = 0;
    const show = () => { said.textContent = draw(svg, data, points, metric, at); };
    const controls = document.createElement("div");
    controls.className = "evo-controls";
    if (data.metrics.length > 1) {
      const kind = data.metrics.length > 5 ? "list" : "buttons";
      controls.append(choice("shown", kind, data.metrics.map((m) => m.short), 0, (i) => { metric = i; show(); }));
    }
    data.controls.forEach((c, k) => {
      controls.append(choice(c.name, c.kind, c.values.map(label), at[k], (i) => { at[k] = i; show(); }));
    });
    said.setAttribute("aria-live", "polite");
    figure.querySelector("figcaption").after(controls);
    show();
  }

  // --- a link to something folded away opens the fold ---------------------------------------------------------

  function unfold() {
    const id = decodeURIComponent(location.hash.slice(1)), target = id && document.getElementById(id);
    if (!target) return;
    let folded = false;
    for (let at = target.parentElement; at; at = at.parentElement) {
      if (at.tagName === "DETAILS" && !at.open) folded = at.open = true;
    }
    if (folded) target.scrollIntoView();
  }

  // --- what scrolls sideways says so --------------------------------------------------------------------------

  function hint(box) {
    const more = box.scrollWidth > box.clientWidth + 2, said = box.nextElementSibling;
    const has = said !== null && said.classList.contains("evo-hint");
    if (more && !has) {
      const made = document.createElement("p");
      made.className = "evo-hint";
      made.textContent = "↔ scroll sideways to see the rest";
      made.setAttribute("aria-hidden", "true");
      box.after(made);
    } else if (!more && has) said.remove();
  }

  function start() {
    unfold();
    addEventListener("hashchange", unfold);
    const watched = new ResizeObserver((all) => all.forEach((one) => hint(one.target)));
    document.querySelectorAll(".evo-figure, .evo-scroll, .evo-map, .pst-scrollable-table-container").forEach((box) => watched.observe(box));
    document.querySelectorAll(".evo-ledger").forEach((one) => one.querySelector("form") && ledger(one));
    document.querySelectorAll(".evo-explorer[data-explorer]").forEach(explorer);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
