"use strict";
/** A number in a formula: its text, and the sign or parentheses that the new one needs in this place. */
const Place = (() => {
  const make = (tag, text = "", attributes = {}) => {
    const node = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    return node;
  };
  const sign = () => make("mo", "−", { form: "prefix" });
  const filled = (node, text) => {
    const minus = text.startsWith("−"), [mantissa, power] = text.replace("−", "").split("·10");
    const parts = [...(minus ? [sign()] : []), make("mn", mantissa)];
    if (power !== undefined) {
      const digits = power.replace(/[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]/g, (c) => "-0123456789"["⁻⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c)]);
      const row = make("mrow"), raised = make("msup");
      row.append(...(digits.startsWith("-") ? [sign()] : []), make("mn", digits.replace("-", "")));
      raised.append(make("mn", "10"), row);
      parts.push(make("mo", "·"), raised);
    }
    node.replaceChildren(...parts);
  };
  const APPLY = "\u2061"; // between a function and its parentheses
  const isMo = (node, text) => node?.localName === "mo" && (text === undefined || node.textContent === text);

  return class {
    constructor(node) {
      this.node = node;
      this.key = node.dataset.k;
      this.was = { tag: node.localName, html: node.innerHTML };
      this.inside = node.parentNode.localName === "mtd" || node.textContent.startsWith("−"); // an entry has its own sign
      this.wasNegative = this.negative = node.hasAttribute("data-n");
      this.changed = false;
    }

    /** How a minus sign is shown here: in front (`lead`), by the operator of a sum, or with parentheses (`fence`). */
    look() {
      const before = this.node.previousElementSibling, parent = this.node.parentNode;
      if (this.wasNegative && isMo(before, "−") && before.getAttribute("form") === "prefix") {
        const open = before.previousElementSibling, close = this.node.nextElementSibling;
        const own = parent.children.length === 4 && !isMo(parent.previousElementSibling, APPLY);
        if (parent.localName === "mrow" && own && isMo(open, "(") && isMo(close, ")")) {
          this.fence = parent;
          return this.isBase(parent) ? "base" : "fence";
        }
        this.minus = before;
        return "lead";
      }
      const operator = before ?? (parent.localName === "math" ? this.outer(parent) : null);
      if (this.wasNegative) {
        this.operator = operator;
        return "sum";
      }
      if (!operator) return this.isBase(this.node) ? "base" : "lead";
      if (isMo(operator, "+") && (operator.getAttribute("form") === "infix" || this.isTerm())) {
        this.operator = operator;
        return "sum";
      }
      return isMo(operator) && "=([,|".includes(operator.textContent) ? "lead" : "fence";
    }

    /** Whether no factor follows. */
    isTerm() {
      const behind = this.node.nextElementSibling;
      return !behind || (isMo(behind) && "+−)]|,".includes(behind.textContent));
    }

    /** Whether all that is raised to a power is this node. */
    isBase(node) {
      const row = node.parentNode;
      return row.localName === "mrow" && row.children.length === 1 && row.parentNode.localName === "msup" && !row.previousElementSibling;
    }

    /** The sign of the term which this formula is. */
    outer(math) {
      const term = math.closest(".term");
      return term && !math.previousElementSibling && math.parentNode !== term ? term.firstElementChild.lastElementChild : null;
    }

    show(text) {
      if (text === this.text) return;
      this.text = text;
      this.changed = true;
      const negative = !this.inside && text.startsWith("−"), body = negative ? text.slice(1) : text, rich = body.includes("·");
      this.turn(rich || (this.inside && body.startsWith("−") && this.was.tag === "mrow") ? "mrow" : "mn");
      if (this.node.localName === "mrow") filled(this.node, body);
      else this.node.textContent = body;
      this.sign(negative, rich);
    }

    /** A whole array where 0 stood for it. */
    showArray({ shape, data }) {
      this.text = null;
      this.changed = true;
      this.turn("mrow");
      const cell = (value) => { const row = make("mrow"); filled(row, printed(value)); return row; };
      if (shape.length === 1) {
        const cells = [...data].flatMap((value, at) => (at ? [make("mo", ","), cell(value)] : [cell(value)]));
        this.node.replaceChildren(make("mo", "(", { stretchy: "false" }), ...cells, make("mo", ")", { stretchy: "false" }));
      } else {
        const table = make("mtable");
        for (let i = 0; i < shape[0]; i++) {
          const row = make("mtr");
          for (let j = 0; j < shape[1]; j++) {
            const entry = make("mtd");
            entry.append(cell(data[i * shape[1] + j]));
            row.append(entry);
          }
          table.append(row);
        }
        this.node.replaceChildren(make("mo", "["), table, make("mo", "]"));
      }
      this.sign(false, false);
    }

    /** What stood here at first. */
    restore() {
      if (!this.changed) return;
      this.changed = false;
      this.text = undefined;
      this.turn(this.was.tag);
      this.node.innerHTML = this.was.html;
      this.sign(this.wasNegative, false);
    }

    turn(tag) {
      if (this.node.localName === tag) return;
      const node = make(tag, "", { "data-k": this.key });
      this.node.replaceWith(node);
      this.node = node;
    }

    sign(negative, product) {
      this.kind ??= negative !== this.negative || product ? this.look() : undefined;
      if (!this.kind) return;
      const { kind, node } = this;
      if (kind === "sum") this.operator.textContent = negative ? "−" : "+";
      else if (kind === "lead") {
        if (negative && !this.minus?.isConnected) node.before(this.minus = sign());
        else if (!negative) this.minus?.remove();
      } else {
        const fenced = negative || (product && kind === "base");
        if (this.fence?.isConnected) this.fence.replaceWith(node);
        if (fenced) {
          const fence = this.fence = make("mrow");
          node.replaceWith(fence);
          fence.append(make("mo", "(", { stretchy: "false" }), ...(negative ? [sign()] : []), node, make("mo", ")", { stretchy: "false" }));
        }
      }
      this.negative = negative;
    }
  };
})();

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

  const unpack = async () => {
    if (source.type === "application/json") return JSON.parse(source.textContent);
    const bytes = Uint8Array.from(atob(source.textContent), (c) => c.charCodeAt(0));
    return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text());
  };
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
    entitle();
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
    const found = await unpack();
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
