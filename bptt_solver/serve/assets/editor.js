// A text field with line numbers, colours, marked lines and completion. What is painted lies behind the field itself, and
// only the lines that can be seen are painted.
import { context, offers } from "./words.js";

const node = (name, more = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), more);
  made.append(...inside);
  return made;
};
const HIGH = 21, PAD = 10;
const KEY = /^(\s*(?:- )?)("[^"]*"|'[^']*'|[^\s#:{}[\],"'][^:#{}[\],]*(?:\[[^\]]*\])?)(?=\s*:(?:\s|$))/;
const PIECE = /(#.*$)|([^\s{}[\],:"'][^{}[\],:"']*?(?:\[[^\]{}]*\])?)(?=\s*:\s)|(-?\b\d+(?:\.\d+)?(?:e-?\d+)?(?:\/\d+)?\b)|("[^"]*"|'[^']*')/g;
const FORMULA = /(#.*$)|\b(for|in|where|and|sum)\b|(\b\d+(?:\.\d+)?\b)/g;

/** For each line whether it stands inside a block of text (`equations: |`). */
const blocks = (lines) => {
  const inside = [];
  let deep = -1;
  for (const line of lines) {
    const indent = line.search(/\S/);
    if (deep >= 0 && (indent < 0 || indent > deep)) { inside.push(true); continue; }
    deep = /:\s*[|>][-+0-9]*\s*(#.*)?$/.test(line) ? Math.max(0, indent) : -1;
    inside.push(false);
  }
  return inside;
};

/** A line in colours. */
const painted = (line, formula) => {
  const out = [];
  const put = (text, name) => { if (text) out.push(name ? node("span", { className: name, textContent: text }) : text); };
  let at = 0;
  const key = formula ? null : KEY.exec(line);
  if (key) { put(key[1]); put(key[2], "k"); at = key[0].length; }
  const pattern = formula ? FORMULA : PIECE;
  pattern.lastIndex = at;
  for (let found; (found = pattern.exec(line)); ) {
    put(line.slice(at, found.index));
    put(found[0], formula ? ["c", "w", "n"][found.slice(1).findIndex(Boolean)] : ["c", "k", "n", "w"][found.slice(1).findIndex(Boolean)]);
    at = found.index + found[0].length;
  }
  put(line.slice(at));
  return out;
};

export class Editor extends EventTarget {
  constructor(root, say) {
    super();
    const one = (name) => root.querySelector(name);
    this.field = one("#text");
    this.paper = one("#paint");
    this.gutter = one("#gutter");
    this.list = one("#words");
    this.root = root;
    this.say = say;
    this.bad = new Map();
    this.vocabulary = null;
    this.found = [];
    this.chosen = -1;
    this.lines = [""];
    this.inside = [false];
    const pen = document.createElement("canvas").getContext("2d");
    this.wide = (text) => { pen.font = getComputedStyle(this.field).font; return pen.measureText(text).width; };
    this.field.addEventListener("input", (event) => {
      this.read();
      if (!event.isComposing) this.suggest(false);
      this.tell("edit");
    });
    this.field.addEventListener("scroll", () => { this.paint(); this.close(); });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("blur", () => setTimeout(() => this.close(), 120));
    document.addEventListener("selectionchange", () => { if (document.activeElement === this.field) this.moved(); });
    this.list.addEventListener("pointerdown", (event) => {
      const item = event.target.closest("li");
      if (!item) return;
      event.preventDefault();
      this.chosen = [...this.list.children].indexOf(item);
      this.accept();
    });
    new ResizeObserver(() => this.paint()).observe(this.field);
    this.read();
  }

  tell(kind, detail) { this.dispatchEvent(new CustomEvent(kind, { detail })); }
  get text() { return this.field.value; }

  /** Put a text in the place of the whole one; the caret and the scroll place stay where they were. */
  set text(text) {
    if (text === this.field.value) return;
    const { selectionStart, selectionEnd, scrollTop, scrollLeft } = this.field;
    this.field.value = text;
    this.field.setSelectionRange(selectionStart, selectionEnd);
    this.field.scrollTo(scrollLeft, scrollTop);
    this.close();
    this.read();
  }

  /** Put a text in the place of a stretch, so that it can be undone. */
  put(text, from, to, caret = from + text.length) {
    this.field.focus();
    this.field.setSelectionRange(from, to);
    const done = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (!done) { // a browser that does not know it
      this.field.setRangeText(text, from, to, "end");
      this.field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    this.field.setSelectionRange(caret, caret);
  }

  read() {
    this.lines = this.field.value.split("\n");
    this.inside = blocks(this.lines);
    this.paint();
    this.moved();
  }

  /** Mark lines: a map from their numbers to what is wrong there. */
  mark(bad) { this.bad = bad; this.paint(); }

  goto(line, column) {
    const at = this.lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
    this.field.focus();
    this.field.setSelectionRange(at, at);
    this.field.scrollTop = Math.max(0, (line - 1) * HIGH - this.field.clientHeight / 2);
    this.moved();
    this.paint();
  }

  get caret() {
    const before = this.field.value.slice(0, this.field.selectionEnd);
    const line = before.split("\n").length;
    return { line, column: before.length - before.lastIndexOf("\n") };
  }

  moved() {
    const { line } = this.caret;
    if (line !== this.line) { this.line = line; this.paint(); }
    if (this.field.selectionStart !== this.at || this.field.selectionEnd !== this.at) this.close(); // the list was for another place
    this.tell("caret", this.caret);
  }

  paint() {
    const { scrollTop, scrollLeft, clientHeight } = this.field;
    const first = Math.max(0, Math.floor((scrollTop - PAD) / HIGH));
    const last = Math.min(this.lines.length, Math.ceil((scrollTop + clientHeight) / HIGH) + 1);
    const rows = [], numbers = [];
    for (let at = first; at < last; at++) {
      const wrong = this.bad.has(at + 1), name = wrong ? "bad" : at + 1 === this.line ? "now" : "";
      const top = `${PAD + at * HIGH}px`;
      const row = node("div", { className: name }, ...painted(this.lines[at].slice(0, 2000), this.inside[at]));
      const number = node("div", { className: wrong ? "bad" : "", textContent: at + 1 });
      row.style.top = top;
      number.style.top = `${PAD + at * HIGH - scrollTop}px`;
      rows.push(row);
      numbers.push(number);
    }
    this.gutter.style.width = `${Math.max(3, String(this.lines.length).length + 2.2)}ch`;
    this.gutter.replaceChildren(...numbers);
    this.paper.replaceChildren(...rows);
    this.paper.style.width = `${Math.max(this.field.scrollWidth, this.field.clientWidth)}px`;
    this.paper.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    if (this.bad.size) this.field.setAttribute("aria-invalid", "true");
    else this.field.removeAttribute("aria-invalid");
  }

  key(event) {
    if (event.isComposing) return; // the keys are for whoever puts characters together
    const open = !this.list.hidden;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.ctrlKey && event.key === " ") this.suggest(true);
    else if (open && event.key === "Escape") this.close();
    else if (open && plain && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const by = event.key === "ArrowDown" ? 1 : -1;
      this.choose((this.chosen + by + this.found.length) % this.found.length);
    } else if (open && plain && (event.key === "Tab" || event.key === "Enter") && !event.shiftKey) this.accept();
    else if (plain && event.key === "Enter" && !event.shiftKey) this.newline();
    else return;
    event.preventDefault();
  }

  newline() {
    const { selectionStart: from, selectionEnd: to } = this.field;
    const before = this.field.value.slice(this.field.value.lastIndexOf("\n", from - 1) + 1, from);
    const deeper = /:\s*([|>][-+]?)?$/.test(before) && !/^\s*#/.test(before) ? "  " : "";
    this.put(`\n${/^ */.exec(before)[0]}${deeper}`, from, to);
    const row = this.caret.line * HIGH + PAD * 2 + HIGH;
    if (row > this.field.scrollTop + this.field.clientHeight) this.field.scrollTop = row - this.field.clientHeight;
  }

  /** Offer what could stand here; unasked only where something was begun. */
  suggest(asked) {
    const { selectionStart: at, selectionEnd: to } = this.field;
    if (!this.vocabulary || at !== to || this.field.readOnly) return this.close();
    const here = context(this.text, at);
    this.found = asked || here.prefix ? offers(here, this.vocabulary, this.text) : [];
    if (!asked && this.found.length === 1 && this.found[0].name === here.prefix) this.found = [];
    if (!this.found.length) return this.close();
    this.at = at;
    this.from = at - here.prefix.length;
    this.list.replaceChildren(...this.found.map((offer, at) =>
      node("li", { id: `word${at}`, role: "option" }, offer.name, node("small", { textContent: offer.about || "" }))));
    this.list.hidden = false;
    this.tell("offers", { count: this.found.length });
    this.show();
    this.choose(0);
  }

  show() {
    const start = this.text.lastIndexOf("\n", this.from - 1) + 1;
    const line = this.text.slice(0, this.from).split("\n").length;
    const x = this.field.offsetParent.offsetLeft + PAD + this.wide(this.text.slice(start, this.from)) - this.field.scrollLeft;
    const y = PAD + line * HIGH - this.field.scrollTop;
    const room = this.root.clientWidth - this.list.offsetWidth - 6, below = this.root.clientHeight - y;
    const up = below < this.list.offsetHeight + 6 && y - HIGH > below;
    this.list.style.left = `${Math.max(4, Math.min(x - 8, room))}px`;
    this.list.style.top = up ? `${Math.max(2, y - HIGH - this.list.offsetHeight)}px` : `${y}px`;
    this.list.style.maxHeight = up ? "" : `${Math.max(80, below - 8)}px`;
  }

  choose(at) {
    this.chosen = at;
    [...this.list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
    this.list.children[at]?.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-controls", "words");
    this.field.setAttribute("aria-activedescendant", `word${at}`);
  }

  accept() {
    const offer = this.found[this.chosen];
    const { from } = this, to = this.field.selectionEnd;
    this.close();
    if (!offer) return;
    const behind = this.text.slice(to).split("\n", 1)[0];
    const more = offer.more && !behind.trimStart().startsWith(":") ? offer.more : "";
    this.put(offer.name + more, from, to);
    this.close();
    if (more === ": ") this.suggest(true);
  }

  close() {
    if (this.list.hidden) return;
    this.list.hidden = true;
    this.found = [];
    this.tell("offers", { count: 0 });
    this.field.removeAttribute("aria-activedescendant");
    this.field.removeAttribute("aria-controls");
  }
}
