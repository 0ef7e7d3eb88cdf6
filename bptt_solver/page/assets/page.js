"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  const seam = window.bptt = window.bptt || {}; // what else runs in the page: `recompute` fills in its numbers
  const article = one("#steps");
  const labels = JSON.parse(one("#labels").textContent);
  let say = labels[root.lang] || labels.en;
  seam.say = (key) => say[key] ?? key;
  const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a file has no storage */ } };
  const kept = (key) => { try { return localStorage.getItem(key); } catch { return null; } };

  // light and dark
  const theme = one("#theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const setTheme = (value) => {
    if (value) root.dataset.theme = value;
    theme.setAttribute("aria-pressed", String(dark()));
  };
  theme.addEventListener("click", () => { setTheme(dark() ? "light" : "dark"); keep("theme", root.dataset.theme); });
  setTheme(kept("theme"));

  // steps
  const unfold = one("#unfold");
  let steps = [], at = -1;
  const status = one("#status");
  const reach = (box) => { // what is wider than the page can be scrolled with the keyboard
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const seen = new IntersectionObserver((found) => found.forEach((one) => one.isIntersecting && reach(one.target)));
  const measure = () => {
    const boxes = all(".right, .left", article);
    seen.disconnect();
    boxes.forEach((box) => boxes.length > 1000 ? seen.observe(box) : reach(box));
  };
  addEventListener("resize", measure);
  document.fonts.ready.then(measure);
  const collect = () => {
    measure();
    steps = all(".line[data-step]", article).filter((line) => line.dataset.part !== "entry");
    at = -1;
    all(unfold ? ".cut" : ".none", article).forEach((cut) => {
      if (unfold.getAttribute("aria-pressed") === "true") return;
      const button = cut.matches("tr") ? cut.cells[0] : cut;
      button.classList.add("cut");
      button.setAttribute("role", "button");
      button.setAttribute("aria-label", say.unfold);
      button.tabIndex = 0;
      button.addEventListener("click", () => unfold.click());
      button.addEventListener("keydown", (event) => { if (event.key === "Enter") unfold.click(); });
    });
    show();
  };
  const light = (name, nodes) => nodes.forEach((node) => node.classList.add(name));
  const find = (kind, name) => all(`#picture [data-${kind}="${CSS.escape(name)}"]`);
  const edges = (from) => all("#picture [data-edge]").filter((edge) => edge.dataset.edge.startsWith(from + ">"));
  const using = (weight) => all(`#picture [data-weights~="${CSS.escape(weight)}"]`);
  const into = (to) => all("#picture [data-edge]").filter((edge) => edge.dataset.edge.endsWith(">" + to));
  /** Lights the step in the picture. */
  seam.light = () => {
    all("#picture .lit, #picture .later").forEach((node) => node.classList.remove("lit", "later"));
    one("#picture")?.classList.toggle("stepping", at >= 0);
    const line = steps[at];
    if (!line) return;
    const { step, part } = line.dataset, own = find("node", step), family = step.split("[")[0];
    light("lit", own.length || part !== "gather" ? own : find("node", family));
    if (part === "forward") light("lit", into(step));
    else if (part === "gather") light("lit", [...edges(step), ...using(step), ...(own.length ? [] : using(family))]);
    else {
      const ways = all("[data-through]", line).map((term) => term.dataset.through);
      light("later", ways.flatMap((way) => find("node", way)));
      const ours = ways.flatMap((way) => find("edge", step + ">" + way));
      light("lit", ours.length ? ours : edges(step));
      light("lit", all(".direct", line).flatMap(() => edges(step).filter((edge) => !ours.includes(edge))));
    }
  };
  const show = () => {
    all(".now", article).forEach((line) => { line.classList.remove("now"); line.removeAttribute("aria-current"); });
    seam.light();
    const line = steps[at];
    one("#back").disabled = at < 0;
    one("#first").disabled = at < 0;
    one("#next").disabled = one("#last").disabled = at >= steps.length - 1;
    if (!line) {
      status.textContent = steps.length ? say["status.start"].replace("{count}", steps.length) : say["status.none"];
      return;
    }
    line.classList.add("now");
    line.setAttribute("aria-current", "step");
    const { step, part } = line.dataset;
    status.textContent = "";
    const name = document.createElement("b");
    name.append(one(".left > math", line)?.cloneNode(true) ?? step);
    name.setAttribute("role", "img");
    name.setAttribute("aria-label", step);
    const [before, after] = say["status.step"].replace("{at}", at + 1).replace("{count}", steps.length)
      .replace("{part}", say["part." + part]).split("{name}");
    status.append(before, name, after);
    document.dispatchEvent(new CustomEvent("bptt:step", { detail: { step, part } }));
  };
  const go = (to, scroll = true) => {
    at = Math.max(-1, Math.min(steps.length - 1, to));
    show();
    const line = steps[at];
    if (!line || !scroll) return;
    line.closest("details:not([open])")?.setAttribute("open", "");
    line.scrollIntoView({ block: "center", behavior: "instant" });
    seam.reveal();
  };
  /** Scrolls the picture to what is lit. */
  seam.reveal = () => {
    const node = one("#picture .node.lit"), frame = node?.closest(".frame");
    if (!frame) return;
    const inner = node.getBoundingClientRect(), outer = frame.getBoundingClientRect();
    frame.scrollBy(inner.x + inner.width / 2 - outer.x - outer.width / 2, inner.y + inner.height / 2 - outer.y - outer.height / 2);
  };
  seam.go = (step, part) => { // of a page around this one
    const found = steps.findIndex((line) => line.dataset.step === step && line.dataset.part === part);
    if (found >= 0) go(found, false);
  };
  one("#first").addEventListener("click", () => go(0));
  one("#back").addEventListener("click", () => go(at - 1));
  one("#next").addEventListener("click", () => go(at + 1));
  one("#last").addEventListener("click", () => go(steps.length - 1));
  article.addEventListener("click", (event) => {
    if (event.target.closest("summary, a, input, button") || String(getSelection())) return;
    const line = event.target.closest(".line[data-step]");
    const found = steps.indexOf(line);
    if (found < 0) return;
    const open = line.nextElementSibling;
    if (open?.matches("details.entries")) open.open = !open.open;
    go(found, false);
  });
  one("#picture")?.addEventListener("click", (event) => {
    const name = event.target.closest("[data-node]")?.dataset.node;
    if (!name) return;
    const about = (part) => steps.findIndex((line) => line.dataset.step === name && line.dataset.part === part);
    const turn = ["backward", "gather", "forward"].map(about).filter((found) => found >= 0);
    if (turn.length) go(turn[(turn.indexOf(at) + 1) % turn.length]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const button = event.target.closest("button, summary, [role=button]");
    if (event.target.matches(".scroll:focus-visible, .frame:focus-visible, .right:focus-visible, .left:focus-visible")) return;
    if (event.key === "ArrowRight" || (event.key === " " && !event.shiftKey && !button)) go(at + 1);
    else if (event.key === "ArrowLeft" || (event.key === " " && event.shiftKey && !button)) go(at - 1);
    else if (event.key === "Home" && event.target === document.body && at >= 0) go(0);
    else return;
    event.preventDefault();
  });

  // views: language, notation, folded or not
  const language = one("#language"), notation = one("#notation");
  let views = null;
  seam.unpack = async (source) => { // data of a script element
    if (source.type === "application/json") return JSON.parse(source.textContent);
    const bytes = Uint8Array.from(atob(source.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const relabel = () => {
    say = labels[language?.value || root.lang] || labels.en;
    all("[data-label]").forEach((node) => { node.textContent = say[node.dataset.label]; });
    all("[data-title]").forEach((node) => {
      node.setAttribute("aria-label", say[node.dataset.title]);
      if (node.matches("button")) node.title = say[node.dataset.title];
    });
  };
  const change = async () => {
    const { pieces, order, numbers } = (views ??= await seam.unpack(one("#views")));
    const number = (_, key) => `<mn data-k="${key}">${numbers[key]}</mn>`;
    const whole = unfold?.getAttribute("aria-pressed") === "true";
    const key = [language.value, notation.value];
    const found = (whole && order[[...key, "all"]]) || order[key] || order[[language.value, notation.options[0].value]];
    const was = steps[at]?.dataset;
    root.lang = language.value;
    relabel();
    article.innerHTML = found.map((piece) => pieces[piece]).join("\n").replace(/<mn k=([^>]*)>/g, number);
    seam.recompute?.();
    collect();
    const again = was ? steps.findIndex((line) => line.dataset.step === was.step && line.dataset.part === was.part) : -1;
    if (again >= 0) go(again);
    document.dispatchEvent(new CustomEvent("bptt:view"));
  };
  language?.addEventListener("change", change);
  notation?.addEventListener("change", change);
  unfold?.addEventListener("click", () => {
    unfold.setAttribute("aria-pressed", String(unfold.getAttribute("aria-pressed") !== "true"));
    change();
  });
  one("#print")?.addEventListener("click", () => print());
  collect();
})();
