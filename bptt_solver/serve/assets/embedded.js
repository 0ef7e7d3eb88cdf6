// Runs in the page that is shown: tells the frame around it where the reader is, and goes back there.
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const root = document.documentElement;
  const tell = (kind, more) => parent.postMessage({ kind, ...more }, "*");
  const top = () => {
    const picture = one("#picture"), rect = picture?.getBoundingClientRect();
    return rect && getComputedStyle(picture).position === "sticky" && rect.width > innerWidth * 0.7 ? Math.max(0, rect.bottom) : 0;
  };
  const places = () => {
    const found = new Map();
    all("#steps h1, #steps h2, #steps h3, #steps .line[data-step], #steps tr, #steps p").forEach((node) => {
      const name = node.dataset.step ? `${node.dataset.part} ${node.dataset.step}` : node.localName + node.textContent.slice(0, 80);
      if (!found.has(name)) found.set(name, node);
    });
    return found;
  };
  const place = () => {
    const edge = top();
    for (const [name, node] of places()) {
      const rect = node.getBoundingClientRect();
      if (rect.bottom > edge + 2 && rect.height) return { name, from: rect.top };
    }
    return null;
  };
  const step = () => { const now = one(".line.now"); return now ? [now.dataset.step, now.dataset.part] : null; };
  const form = () => one("#picture [data-shows][aria-pressed='true']")?.dataset.shows;
  const numbered = () => one("#numbered")?.getAttribute("aria-pressed") === "true";
  const open = () => all("#steps details").map((node, at) => (node.open ? at : -1)).filter((at) => at >= 0);
  const state = () => ({ place: scrollY > 4 ? place() : null, y: scrollY, step: step(), form: form(), numbered: numbered(), open: open() });
  const back = (was) => {
    const node = was.place && places().get(was.place.name);
    if (node) scrollBy({ top: node.getBoundingClientRect().top - was.place.from, behavior: "instant" });
    else scrollTo({ top: was.y || 0, behavior: "instant" });
  };
  const theme = (name) => { if (name) root.dataset.theme = name; else delete root.dataset.theme; };

  let was = null;
  try { was = JSON.parse(window.name || "null"); } catch { /* not ours */ }
  if (was) {
    theme(was.theme);
    if (was.form) one(`#picture [data-shows="${CSS.escape(was.form)}"]`)?.click();
    if (was.numbered) one("#numbered")?.click();
    const details = all("#steps details");
    (was.open || []).forEach((at) => { if (details[at]) details[at].open = true; });
    if (was.step) window.bptt?.go?.(...was.step);
    back(was);
  }
  tell("shown", {});
  let moved = false, waiting = 0;
  if (was) requestAnimationFrame(() => { if (!moved) back(was); }); // sections that were not laid out before are now
  const changed = () => { clearTimeout(waiting); waiting = setTimeout(() => tell("state", { state: state() }), 80); };
  ["wheel", "touchmove", "keydown", "pointerdown"].forEach((kind) => addEventListener(kind, () => { moved = true; }, { passive: true }));
  addEventListener("scroll", changed, { passive: true });
  document.addEventListener("bptt:step", changed);
  document.addEventListener("click", changed);
  document.addEventListener("toggle", changed, true);
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    tell("save", {});
  });
  addEventListener("message", (event) => {
    if (event.source !== parent) return;
    if (event.data?.kind === "theme") theme(event.data.theme);
    if (event.data?.kind === "print") print();
  });
})();
