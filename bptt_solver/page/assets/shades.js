"use strict";
// The shades of tables whose numbers are computed again: the rules of bptt_solver/render/shades.py.
const shades = (() => {
  const MOST = 5; // steps of a shaded table, a decade each
  const rounded = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // halves to the even one
  const shade = (number, kind, largest) => {
    if (number === undefined || !largest) return "";
    if (number === 0 || !Number.isFinite(number)) return "s0";
    const decades = Math.log10(Math.abs(number) / largest);
    const growth = kind === "growth", negative = growth ? decades < 0 : number < 0;
    const step = growth ? Math.min(MOST, rounded(2 * Math.abs(decades))) : Math.max(0, MOST + Math.floor(decades));
    return step ? (negative ? "n" : "p") + step : "s0";
  };
  /** Shade a table anew; `find` gives the number of a key. */
  const shaded = (table, find) => {
    const cells = [...table.querySelectorAll("tbody td[class]")]; // those that are numbers
    const numbers = cells.map((cell) => {
      cell.was ??= cell.className;
      const own = cell.querySelector("[data-k]");
      return own ? find(own.dataset.k) : typed(cell.textContent);
    });
    const sizes = numbers.filter(Number.isFinite).map(Math.abs), kind = table.dataset.shade;
    const largest = kind === "size" ? Math.max(0, ...sizes) : 1;
    cells.forEach((cell, at) => { cell.className = shade(numbers[at], kind, largest); });
  };
  const restore = (table) => table.querySelectorAll("tbody td").forEach((cell) => { if (cell.was !== undefined) cell.className = cell.was; });
  return { shaded, restore };
})();
