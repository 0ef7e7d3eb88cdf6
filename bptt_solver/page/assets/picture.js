"use strict";
// The picture: one is in the page, the others (other forms, notations, with numbers) are made from lines in the data.
(() => {
  const seam = window.bptt, figure = document.querySelector("#picture"), source = document.querySelector("#pictures");
  if (!figure || !source) return;
  const frame = figure.querySelector(".frame"), numbered = figure.querySelector("#numbered");
  const shapes = [...figure.querySelectorAll("button[data-shows]")], notation = document.querySelector("#notation");
  const least = () => (frame.dataset.form === "numbers" ? 0.75 : 0.55); // what would be smaller yet is scrolled
  const place = (svg) => frame.classList.toggle("wide", Number(svg.getAttribute("width")) * least() > frame.clientWidth);
  const pressed = (button) => button?.getAttribute("aria-pressed") === "true";
  let form = frame.dataset.form, data = null, drawn = "";

  const draw = async () => {
    data ??= await seam.unpack(source);
    const { lines, order, told } = data, own = Object.keys(order)[0].split(",")[0];
    const wanted = form === "unrolled" && pressed(numbered) ? "numbers" : form;
    const key = [notation?.value ?? own, wanted].join(), found = order[key] ? key : [own, wanted].join();
    if (found !== drawn) frame.innerHTML = order[found].map((line) => lines[line]).join("\n");
    drawn = found;
    const svg = frame.querySelector("svg");
    [svg.querySelector("title").textContent, svg.querySelector("desc").textContent] = told[document.documentElement.lang][wanted];
    frame.dataset.form = wanted;
    place(svg);
    shapes.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.shows === form)));
    if (numbered) numbered.disabled = form !== "unrolled";
    seam.light();
    seam.reveal();
    seam.number?.();
  };
  shapes.forEach((button) => button.addEventListener("click", () => { form = button.dataset.shows; draw(); }));
  numbered?.addEventListener("click", () => { numbered.setAttribute("aria-pressed", String(!pressed(numbered))); draw(); });
  document.addEventListener("bptt:view", draw);
  place(frame.querySelector("svg"));
  addEventListener("resize", () => place(frame.querySelector("svg")));

  // --- numbers in it that are computed again

  const lookAt = (node, text) => {
    node.own ??= node.textContent;
    node.textContent = text === null ? node.own : text;
  };
  /** What is wider than its place is written smaller. */
  const fit = (node) => {
    node.style.fontSize = "";
    const wide = node.getComputedTextLength(), room = Number(node.dataset.w);
    if (wide > room) node.style.fontSize = `${(Number(node.getAttribute("font-size")) * room) / wide}px`;
  };
  const EQUALS = ": ∂/∂ = "; // in the title of an edge
  /** Put numbers in: `text` tells what stands for a key, null for what stood there at first. */
  seam.renumber = (text) => {
    for (const node of frame.querySelectorAll("[data-k]")) {
      const found = text(node.dataset.k);
      if (node.localName === "text") {
        lookAt(node, found);
        fit(node);
      } else {
        const title = node.querySelector("title");
        title.own ??= title.textContent;
        lookAt(title, found === null ? null : title.own.split(EQUALS)[0] + EQUALS + found);
      }
    }
  };
})();
