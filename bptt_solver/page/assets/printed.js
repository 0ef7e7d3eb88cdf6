"use strict";
// Numbers as they are printed: the rules of bptt_solver/language/notation/numbers.py.
const printed = (() => {
  const CLOSE = 14, SMALL = 1e-4, LARGE = 1e7;
  const raised = (n) => String(n).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  /** Like toExponential, but halves go to the even digit, as in Python. */
  const rounded = (size, digits, figures) => {
    if (digits > 15 || (figures.length === digits + 1 && figures.endsWith("5"))) {
      const [all, power] = size.toExponential(100).replace(".", "").split("e");
      if (/^50*$/.test(all.slice(digits)) && Number(all[digits - 1]) % 2 === 0) {
        return [all[0] + (digits > 1 ? "." : "") + all.slice(1, digits), Number(power)];
      }
    }
    const [mantissa, power] = size.toExponential(digits - 1).split("e");
    return [mantissa, Number(power)];
  };
  /** The nearest whole number, halves to the even one. */
  const whole = (size) => (size % 1 === 0.5 ? 2 * Math.round(size / 2) : Math.round(size));
  const scientific = (size, digits) => {
    const figures = size.toExponential().split("e")[0].replace(".", "").replace(/0+$/, "");
    if (figures.length <= digits) return rounded(size, Math.max(figures.length, 1), "");
    if (digits < CLOSE - 3 && figures.length > CLOSE) {
      const [mantissa, power] = rounded(size, CLOSE, figures), short = mantissa.replace(/0+$/, "").replace(/\.$/, "");
      if (short.length <= digits + 1) return [short, power];
    }
    return rounded(size, digits, figures);
  };
  const printed = (value, digits = 6) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "∞" : "−∞";
    if (value === 0) return "0";
    const sign = value < 0 ? "−" : "", size = Math.abs(value), [mantissa, power] = scientific(size, digits);
    if (size < SMALL || size >= LARGE || power >= 7) return `${sign}${mantissa}·10${raised(power)}`;
    if (size === Math.trunc(size)) return sign + size;
    const figures = mantissa.replace(".", "");
    if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${figures}`;
    if (figures.length <= power + 1) return sign + whole(size);
    return `${sign}${figures.slice(0, power + 1)}.${figures.slice(power + 1)}`;
  };
  /** With three digits and no zeros at the end, as in pictures. */
  printed.short = (value) => {
    const size = Math.abs(value);
    if (!Number.isFinite(value) || (value === Math.trunc(value) && size < 1e6)) return printed(value);
    const [mantissa, power] = rounded(size, 3, size.toExponential().split("e")[0].replace(".", ""));
    return printed(Math.sign(value) * Number(`${mantissa}e${power}`), 3);
  };
  return printed;
})();

/** What a person types: 0.5, −2, 1e-3, 1/3; NaN for anything else. */
const typed = (text) => {
  const plain = text.trim().replace(/−/g, "-"), part = plain.split("/");
  if (part.length === 2 && part.every((p) => /^[+-]?\d+$/.test(p.trim()))) return Number(part[0]) / Number(part[1]);
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
};
if (typeof module !== "undefined") module.exports = { printed, typed };
