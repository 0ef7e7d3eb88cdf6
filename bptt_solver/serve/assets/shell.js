import { Editor } from "./editor.js";
import { inWords } from "./words.js";

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (name, more = {}, ...inside) => { const made = Object.assign(document.createElement(name), more); made.append(...inside); return made; };
const start = JSON.parse(one("#start").textContent);
const root = document.documentElement;
const tab = Array.from(crypto.getRandomValues(new Uint8Array(12)), (n) => n.toString(16).padStart(2, "0")).join("");
const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* no storage */ } };
const kept = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
let words = start.words[start.language];
const say = (key, fields = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");

const editor = new Editor(one("#editor"), say);
const disk = { version: "", exists: false, text: "", reason: "", known: false }; // the file as it was read last
let base = "", running = null, frame = null, next = null, place = null, asked = 0, told = null;
const fetched = async (where, method, body, signal) => {
  const answer = await fetch(where, { method, signal, body: body && JSON.stringify(body), headers: body ? { "Content-Type": "application/json" } : {} });
  const json = answer.headers.get("content-type")?.includes("json");
  return { status: answer.status, ...(json ? await answer.json() : { error: await answer.text() }) };
};

// ---- what is shown about the state
const state = (key, fields, bad = false) => {
  told = () => { const shown = one("#state"); shown.textContent = key ? say(key, fields) : ""; shown.classList.toggle("bad", bad); };
  told();
};
const dirty = () => disk.known && disk.text !== null && editor.text !== disk.text;
const unsaved = () => dirty() || (disk.known && !disk.exists && editor.text !== "");
const refresh = () => {
  one("#unsaved").hidden = !unsaved();
  one("#save").disabled = !unsaved();
  document.title = (unsaved() ? "• " : "") + one("#name").textContent;
  one("#welcome").hidden = disk.exists || editor.text !== "" || !disk.known || disk.text === null;
};
const problem = (title, text = "", places = []) => {
  one("#problem").hidden = !title;
  one("#problem").classList.remove("told");
  root.classList.toggle("stale", Boolean(title));
  if (!title) return;
  one("#problem h2").textContent = title;
  const shown = one("#problem pre"), rest = [...places];
  shown.replaceChildren(...text.split("\n").flatMap((line, at) => {
    const found = rest.findIndex(({ line: l, column }) => line.includes(`:${l}:${column}: `));
    const end = at ? ["\n"] : [];
    if (found < 0) return [...end, line];
    const [to] = rest.splice(found, 1), head = `:${to.line}:${to.column}`, cut = line.indexOf(head) + head.length;
    const button = make("button", { type: "button", textContent: line.slice(0, cut), title: say("goto") });
    button.addEventListener("click", () => editor.goto(to.line, to.column));
    return [...end, button, line.slice(cut)];
  }));
};
const question = (text, answers = []) => { // by the keys of its words, so that it follows the language
  const shown = one("#question"), asking = one("p", shown), label = one("div", shown);
  shown.hidden = !text;
  asking.dataset.label = text;
  asking.textContent = text && say(text);
  label.replaceChildren(...answers.map(([key, act]) => {
    const button = make("button", { type: "button", textContent: say(key) });
    button.dataset.label = key;
    button.addEventListener("click", () => { question(""); act(); });
    return button;
  }));
};

// ---- solving
const solve = async () => {
  running?.abort();
  const mine = (running = new AbortController()), number = ++asked;
  const large = disk.text === null;
  if (!large && !editor.text.trim() && !disk.exists) { stopped(); return clear(); }
  const slow = setTimeout(() => { if (running === mine) { state("state.solving"); one("#stop").hidden = false; } }, 350);
  try {
    const answer = await fetched("solve", "POST", {
      tab, text: large ? null : editor.text, language: one("#language").value, notation: one("#notation").value,
      steps: one("#unfold").getAttribute("aria-pressed") === "true" ? "all" : "auto",
    }, mine.signal);
    if (number !== asked) return;
    if (answer.stopped) state("state.stopped");
    else if (!answer.solved) failed(answer);
    else shown(answer);
  } catch (error) {
    if (error.name !== "AbortError" && number === asked) state("state.lost", {}, true);
  } finally {
    clearTimeout(slow);
    if (number === asked) stopped();
  }
};
const stopped = () => { running = null; one("#stop").hidden = true; };
const clear = () => { problem(""); editor.mark(new Map()); frame?.remove(); frame = null; state(""); };
const failed = (answer) => {
  editor.mark(new Map((answer.places || []).map(({ line, column }) => [line, column])));
  problem(say("problem.one"), answer.error || "", answer.places);
  state("problem.one", {}, true);
};
const shown = (answer) => {
  editor.mark(new Map());
  const warnings = answer.warnings.map((text) => `${start.name}: ${say("problem.warning")}: ${text}`).join("\n");
  if (fault) unreadable();
  else problem(answer.verified && !warnings ? "" : say(answer.verified ? "problem.warning" : "state.unverified"), warnings);
  root.classList.remove("stale");
  one("#problem").classList.add("told");
  one("#unfold").hidden = !answer.unfolds;
  state(answer.verified ? "state.verified" : "state.unverified", { seconds: answer.seconds.toFixed(2) }, !answer.verified);
  next?.remove();
  next = make("iframe", { className: "next", title: say("preview"), name: JSON.stringify({ ...place, theme: root.dataset.theme }), src: `preview/${answer.page}` });
  next.setAttribute("sandbox", "allow-scripts allow-modals");
  one("#frames").append(next);
};
const swap = () => {
  const old = frame;
  const focused = old && document.activeElement === old;
  frame = next;
  next = null;
  frame.classList.remove("next");
  if (focused) frame.focus();
  old?.remove();
  root.dataset.shown = Number(root.dataset.shown || 0) + 1;
};
addEventListener("message", (event) => {
  const { data } = event;
  if (next && event.source === next.contentWindow) { if (data.kind === "shown") swap(); }
  else if (!frame || event.source !== frame.contentWindow) return;
  else if (data.kind === "state") place = data.state;
  else if (data.kind === "save") save();
});
const tell = (message) => frame?.contentWindow.postMessage(message, "*");

// ---- the file
const readOnly = () => { editor.field.placeholder = disk.text === null ? say("read_only", { reason: inWords(disk.reason) }) : ""; };
const over = (found) => { // so that Ctrl+Z brings back what was there
  if (found.text !== null) editor.put(found.text, 0, editor.text.length, 0);
  clearTimeout(waiting);
  take(found);
};
const gone = (found) => { // the text is kept: saving writes it again
  Object.assign(disk, { version: found.version, exists: false });
  base = found.version;
  question("");
  refresh();
  if (unsaved()) state("state.gone", {}, true);
};
const take = (found) => {
  Object.assign(disk, found, { known: true });
  base = disk.version;
  if (disk.text !== null) editor.text = disk.text;
  else editor.text = "";
  editor.field.readOnly = disk.text === null;
  readOnly();
  refresh();
  solve();
};
let fault = null; // why the file cannot be read any more, while there is text here that is not in it
const unreadable = () => problem(say("problem.saving"), inWords(fault));
const changed = (found) => {
  fault = null;
  if (!disk.known) return take(found);
  const same = found.version === disk.version && found.exists === disk.exists;
  if (same) { if (found.others) solve(); return; }
  if (found.text === saving) { // told before the answer to the saving came
    Object.assign(disk, found);
    base = found.version;
    return refresh();
  }
  if (!found.exists && disk.text !== null) return gone(found);
  if (!dirty() || found.text === editor.text) return question(""), take(found);
  if (found.version === base) return question(""), Object.assign(disk, found), refresh();
  if (found.text === null) { fault = found.reason; return unreadable(); }
  question("question.changed", [
    ["question.disk", () => over(found)],
    ["question.mine", () => { base = found.version; Object.assign(disk, found); refresh(); }],
  ]);
};
let saving, again = false; // what is being saved, and whether it was asked for once more meanwhile
const save = async () => {
  if (editor.field.readOnly || one("#save").disabled) return;
  if (saving !== undefined) { again = true; return; }
  const text = (saving = editor.text);
  again = false;
  try {
    const answer = await fetched("document", "PUT", { text, version: base, language: root.lang });
    if (answer.conflict) {
      question("question.conflict", [
        ["question.over", () => { base = answer.conflict.version; save(); }],
        ["question.disk", () => over(answer.conflict)],
      ]);
    } else if (answer.status !== 200) problem(say("problem.saving"), answer.error || "");
    else {
      base = answer.version;
      fault = null;
      Object.assign(disk, { version: base, text, exists: true });
      state("state.saved");
      question("");
      refresh();
    }
  } catch { state("state.lost", {}, true); }
  saving = undefined;
  if (again) save();
};
let events = null, away = 0;
const listen = () => { // not while nobody looks: a browser has few connections to one server
  if (document.hidden) { events?.close(); events = null; }
  else if (!events) {
    events = new EventSource("events");
    events.onmessage = (event) => changed(JSON.parse(event.data));
    events.onerror = () => { // it tries again twice a second
      away ||= setTimeout(() => { away = 0; if (events && events.readyState !== 1) state("state.lost", {}, true); }, 1500);
    };
    events.onopen = () => { if (one("#state").textContent === say("state.lost")) state(""); };
  }
};
document.addEventListener("visibilitychange", listen);

// ---- the editor
let waiting = 0;
editor.addEventListener("edit", () => { refresh(); clearTimeout(waiting); waiting = setTimeout(solve, 180); });
editor.addEventListener("offers", ({ detail }) => { one("#count").textContent = detail.count ? say("words.count", detail) : ""; });
editor.addEventListener("caret", ({ detail }) => { one("#position").textContent = say("position", detail); });
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); save(); }
});
addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });
one("#save").addEventListener("click", save);
one("#stop").addEventListener("click", () => { running?.abort(); fetched("cancel", "POST", { tab }).catch(() => {}); asked++; stopped(); state("state.stopped"); });

// ---- examples
const begin = (name) => {
  const found = start.starters.find((starter) => starter.name === name);
  if (!found || editor.field.readOnly) return;
  const put = () => { editor.put(found.text, 0, editor.text.length, 0); editor.field.scrollTo(0, 0); clearTimeout(waiting); solve(); };
  if (!unsaved() || !editor.text.trim()) return put();
  question("question.replace", [["question.yes", put], ["question.no", () => {}]]);
};
const starters = one("#starters");
const number = (name) => Number(name.slice(0, 2));
starters.addEventListener("change", () => { begin(starters.value); starters.value = ""; });
one("#welcome ul").append(...start.starters.map((starter) => {
  const button = make("button", { type: "button" }, make("b"), make("small"));
  button.addEventListener("click", () => begin(starter.name));
  return make("li", {}, button);
}));

// ---- how it is shown
const relabel = () => {
  root.lang = one("#language").value;
  words = start.words[root.lang];
  all("[data-label]").forEach((node) => { node.textContent = say(node.dataset.label); });
  all("[data-title]").forEach((node) => node.setAttribute("aria-label", say(node.dataset.title)));
  if (frame) frame.title = say("preview");
  starters.options[0].textContent = say("starters");
  one("#notation").options[0].textContent = say("notation.own");
  start.notations.forEach(([, title], at) => { one("#notation").options[at + 1].textContent = inWords(title); });
  start.starters.forEach(({ name, title, about }, at) => {
    starters.options[at + 1].textContent = `${number(name)}  ${inWords(title)}`;
    const button = one("#welcome ul").children[at].firstChild;
    button.firstChild.textContent = inWords(title);
    button.lastChild.textContent = inWords(about);
  });
  readOnly();
  one("#position").textContent = say("position", editor.caret);
  told?.();
};
one("#language").append(...Object.entries(start.languages).map(([value, label]) => make("option", { value, textContent: label, lang: value })));
one("#notation").append(make("option", { value: "" }), ...start.notations.map(([value]) => make("option", { value })));
starters.append(make("option", { value: "" }), ...start.starters.map(({ name }) => make("option", { value: name })));
starters.parentElement.hidden = !start.starters.length;
one("#language").value = start.language;
one("#notation").value = start.notation;
one("#language").addEventListener("change", () => { relabel(); solve(); });
one("#notation").addEventListener("change", solve);
one("#unfold").addEventListener("click", () => {
  one("#unfold").setAttribute("aria-pressed", String(one("#unfold").getAttribute("aria-pressed") !== "true"));
  solve();
});
one("#print").addEventListener("click", () => tell({ kind: "print" }));
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = (name) => {
  root.dataset.theme = name;
  one("#theme").setAttribute("aria-pressed", String(name === "dark"));
  tell({ kind: "theme", theme: name });
};
one("#theme").addEventListener("click", () => { theme(root.dataset.theme === "dark" ? "light" : "dark"); keep("theme", root.dataset.theme); });
dark.addEventListener("change", () => { if (!kept("theme")) theme(dark.matches ? "dark" : "light"); });
theme(kept("theme") || (dark.matches ? "dark" : "light"));

// ---- the divider
const divider = one("#divider"), panes = one("#panes");
const narrow = matchMedia("(max-width: 48rem)");
const split = (part) => {
  const to = Math.min(85, Math.max(15, part));
  root.style.setProperty("--split", `${to}%`);
  divider.setAttribute("aria-valuenow", String(Math.round(to)));
  divider.setAttribute("aria-orientation", narrow.matches ? "horizontal" : "vertical");
  keep("split", String(to));
};
divider.addEventListener("pointerdown", (event) => {
  divider.setPointerCapture(event.pointerId);
  root.classList.add("moving");
  const move = ({ clientX, clientY }) => {
    const box = panes.getBoundingClientRect();
    split(narrow.matches ? ((clientY - box.top) / box.height) * 100 : ((clientX - box.left) / box.width) * 100);
  };
  divider.addEventListener("pointermove", move);
  divider.addEventListener("lostpointercapture", () => { root.classList.remove("moving"); divider.removeEventListener("pointermove", move); }, { once: true });
});
divider.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -3, ArrowUp: -3, ArrowRight: 3, ArrowDown: 3 }[event.key];
  if (!by) return;
  event.preventDefault();
  split(Number(divider.getAttribute("aria-valuenow")) + by);
});
split(Number(kept("split")) || 42);

relabel();
state("");
listen();
fetched("vocabulary", "GET").then((found) => { editor.vocabulary = found; root.dataset.words = ""; }).catch(() => {});
