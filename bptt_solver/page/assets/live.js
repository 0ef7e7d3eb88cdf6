"use strict";
// Given numbers that are changed: fields for them, and all that is computed again.
(() => {
  const seam = window.bptt, source = document.querySelector("#numbers");
  if (!source || !seam) return;
  const root = document.documentElement, article = document.querySelector("#steps");
  let data, program, base, now, places = null, wait = 0;
  const fields = []; // {input, given, at}, those that were made
  const given = new Map(); // number -> {shape, texts, was}: what is typed, what stood there
  const element = (tag, attributes = {}, ...inside) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...inside);
    return node;
  };
  const labelled = (tag, key, attributes = {}) => element(tag, { "data-label": key, ...attributes }, seam.say(key));

  const number = (text) => (typeof text === "number" ? text : typed(text));
  const asValue = ({ shape, texts }) => (shape.length ? interpreter.array(shape, Float64Array.from(texts, number)) : number(texts[0]));
  const name = (at) => {
    const forward = data.names[at];
    return forward ?? data.target + data.names[data.backward[at - data.names.length]];
  };

  // --- computing and painting

  const run = (key) => program.run([...given].map(([at, one]) => [at, asValue({ shape: one.shape, texts: one[key] })]));
  const same = (a, b) => (interpreter.isArray(a) && interpreter.isArray(b) ? a.data.every((v, i) => Object.is(v, b.data[i])) : Object.is(a, b));
  const paint = () => {
    places ??= [...article.querySelectorAll("[data-k]")].filter((node) => !node.closest(".stale")).map((node) => new Place(node));
    const texts = new Map();
    for (const place of places) {
      let found = texts.get(place.key);
      if (found === undefined) {
        const value = interpreter.look(now, place.key);
        found = same(value, interpreter.look(base, place.key)) ? null : value === undefined ? "?" : interpreter.isArray(value) ? value : printed(value);
        texts.set(place.key, found);
      }
      if (found === null) place.restore();
      else if (typeof found === "string") place.show(found);
      else place.showArray(found);
    }
    for (const table of article.querySelectorAll("table.shaded")) {
      if (!root.classList.contains("changed")) shades.restore(table);
      else if (!table.querySelector("mn.s")) shades.shaded(table, (key) => interpreter.look(now, key));
    }
  };
  const shown = (value) => (value === undefined ? "?" : printed(value));
  /** The numbers of a node of the picture, in its title. */
  const entitle = () => {
    const at = new Map(data.names.map((own, number) => [own, number]));
    const below = new Map(data.backward.map((number, place) => [number, data.names.length + place]));
    const text = (value) => {
      if (value === undefined || !interpreter.isArray(value)) return shown(value);
      return value.shape.length === 1 && value.data.length <= 6 ? `(${Array.from(value.data, (v) => printed(v)).join(", ")})` : null;
    };
    for (const node of document.querySelectorAll("#picture [data-node]")) {
      const number = at.get(node.dataset.node), title = node.querySelector("title");
      if (number === undefined || !title) continue;
      const lines = [number, below.get(number)].filter((n) => n !== undefined).map((n) => [name(n), text(now.values[n])]);
      title.own ??= title.textContent;
      title.textContent = [title.own, ...lines.filter(([, v]) => v !== null).map(([own, v]) => `${own} = ${v}`)].join("\n");
    }
  };
  /** The numbers in the picture: the title of each node, what stands in nodes and on edges. */
  seam.number = () => {
    if (!data) return;
    entitle();
    const shortly = (value) => (value === undefined ? "?" : printed.short(value));
    seam.renumber?.((key) => {
      const value = interpreter.look(now, key);
      if (same(value, interpreter.look(base, key))) return null;
      return value !== undefined && interpreter.isArray(value) ? `(${Array.from(value.data, shortly).join(", ")})` : shortly(value);
    });
  };
  const tell = (key, fill) => Object.entries(fill).reduce((text, [field, value]) => text.replace(`{${field}}`, value), seam.say(key));
  const told = () => {
    for (const [at, { texts }] of given) {
      const bad = texts.find((text) => !Number.isFinite(number(text)));
      if (bad !== undefined) return tell("wrong.input", { name: name(at), text: bad });
    }
    for (const [at, reason] of now.wrong) return tell("wrong.value", { name: name(at), reason: seam.say(reason) });
    for (const at of data.ones) {
      const value = interpreter.look(now, `v${at}`), sum = value?.data.reduce((a, b) => a + b, 0);
      if (Math.abs(sum - 1) > 1e-12) return tell("given.ones", { name: name(at), sum: printed(sum) });
    }
    return seam.say("given.changed");
  };
  const isChanged = () => [...given.values()].some(({ texts, was }) => texts.some((text, at) => number(text) !== number(was[at])));
  const recompute = () => {
    if (!data) return;
    const changed = isChanged();
    if (!changed && !root.classList.contains("changed")) return;
    now = run("texts");
    root.classList.toggle("changed", changed);
    paint();
    seam.number();
    result.value = shown(interpreter.look(now, `v${data.result[0]}`));
    message.textContent = changed ? told() : "";
    message.classList.toggle("bad", changed && message.textContent !== seam.say("given.changed"));
    reset.disabled = !changed;
    for (const { input } of fields) input.setAttribute("aria-invalid", String(!Number.isFinite(number(input.value))));
  };
  const soon = () => {
    if (wait) return;
    wait = requestAnimationFrame(() => { wait = 0; recompute(); });
  };

  // --- what belongs to the document's numbers alone

  const mark = () => {
    let behind = false;
    for (const section of article.querySelectorAll("section")) {
      const count = Number(section.querySelector("h2 .number")?.textContent ?? NaN);
      behind ||= !(count < 7);
      if (!behind) continue;
      if (section.querySelector("[data-k]")) continue; // what of it is not computed again is struck through
      section.classList.add("stale");
      section.querySelector("h2").after(labelled("p", "given.stale", { class: "note old" }));
    }
  };
  seam.recompute = () => { places = null; mark(); if (data && root.classList.contains("changed")) recompute(); };

  // --- the fields

  const field = (at, entry, text) => {
    const one = given.get(at), input = element("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", "aria-label": text });
    input.value = one.texts[entry];
    input.size = Math.max(5, Math.min(12, String(input.value).length));
    input.addEventListener("input", () => { one.texts[entry] = input.value; soon(); });
    fields.push({ input, one, entry });
    return input;
  };
  const grid = (at, html) => {
    const { shape, texts } = given.get(at), shown = element("span", { class: "name" });
    shown.innerHTML = html;
    const cells = texts.map((_, entry) => {
      const place = shape.length === 2 ? [Math.floor(entry / shape[1]) + 1, (entry % shape[1]) + 1] : shape.length ? [entry + 1] : [];
      return field(at, entry, name(at) + (place.length ? ` (${place})` : ""));
    });
    if (!shape.length) return element("label", { class: "one" }, shown, cells[0]);
    const box = element("div", { class: "grid" });
    const columns = shape.length === 2 ? shape[1] : shape[0] > 6 ? 6 : shape[0];
    for (let i = 0; i < cells.length; i += columns) box.append(element("div", {}, ...cells.slice(i, i + columns)));
    return element("div", { class: "array", role: "group", "aria-label": name(at) }, shown, box);
  };
  const family = ([html, members]) => {
    const count = members.reduce((sum, [at]) => sum + given.get(at).texts.length, 0);
    const fill = (into) => into.append(...members.map(([at, own]) => grid(at, own)));
    if (count <= FEW) {
      const shown = element("div", { class: "family" });
      fill(shown);
      return shown;
    }
    const summary = element("summary"), shown = element("details", { class: "family" }, summary);
    summary.innerHTML = `${html} <small>${count}</small>`;
    shown.addEventListener("toggle", () => { if (shown.open && shown.children.length === 1) fill(shown); });
    return shown;
  };
  const FEW = 12; // numbers of a family that are shown at once
  const result = element("output"), target = element("span", { class: "name" });
  const message = element("p", { role: "status", class: "message" });
  const reset = labelled("button", "given.reset", { type: "button" });
  reset.disabled = true;
  reset.addEventListener("click", () => {
    for (const one of given.values()) one.texts = [...one.was];
    for (const { input, one, entry } of fields) input.value = one.texts[entry];
    recompute();
  });
  const body = element("div", { class: "fields" });
  const panel = element("details", { id: "given", class: "given" }, labelled("summary", "given"), element("div", { class: "tools" }, reset, element("span", { class: "result" }, target, " = ", result)), message, body);
  const flat = (value) => (Array.isArray(value) ? value.flatMap(flat) : [value]);
  const shapeOf = (value) => (Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : []);
  let started = null;
  const start = () => (started ??= begin());
  const begin = async () => {
    const found = await seam.unpack(source);
    data = found;
    program = interpreter.program(data);
    for (const [at, value] of data.given) given.set(at, { shape: shapeOf(value), texts: flat(value), was: flat(value) });
    target.innerHTML = data.result[1];
    base = now = run("was");
    result.value = shown(interpreter.look(now, `v${data.result[0]}`));
    body.append(...data.families.map(family));
    entitle();
  };
  panel.addEventListener("toggle", () => { if (panel.open) start(); });
  const picture = document.querySelector("#picture");
  if (picture) picture.append(panel);
  else document.querySelector("main").prepend(panel);
  mark();
  (window.requestIdleCallback ?? setTimeout)(start);
  seam.live = { start, given, recompute, values: () => now, program: () => program };
})();
