"use strict";
// Computes the numbers of a derivation again: trees of operations as JSON, walked once into functions; nothing is ever
// read as code. The same operations in the same order as in the Python package (bptt_solver/arithmetic).
// A value is a number, or an array {shape, data} with its rows one behind the other.
const interpreter = (() => {
  /** What a function is not defined for; `reason` is the key of a sentence. */
  class Undefined extends Error {
    constructor(reason) { super(reason); this.reason = reason; }
  }
  const refuse = (reason) => { throw new Undefined(reason); };
  const isArray = (x) => typeof x === "object";
  const array = (shape, data) => ({ shape, data });
  const filled = (shape, value = 0) => array(shape, new Float64Array(shape.reduce((a, b) => a * b, 1)).fill(value));
  const size = (x) => (isArray(x) ? x.data.length : 1);
  const rows = (x) => (isArray(x) ? x.shape[0] : 1);
  const numbers = (x) => (isArray(x) ? x.data : [x]);
  const added = (data) => { let total = 0; for (const v of data) total += v; return total; };
  const largestOf = (data) => { let top = -Infinity; for (const v of data) if (v > top) top = v; return top; };

  // --- entry by entry

  const mapped = (f, x) => array(x.shape, Float64Array.from(x.data, f));
  const each = (f) => (x) => (isArray(x) ? mapped((v) => f(v), x) : f(x));
  /** A function of several numbers, entry by entry; a number goes with every entry. */
  const broadcast = (f, ...operands) => {
    const like = operands.find(isArray);
    if (!like) return f(...operands);
    const result = filled(like.shape);
    for (let i = 0; i < result.data.length; i++) result.data[i] = f(...operands.map((x) => (isArray(x) ? x.data[i] : x)));
    return result;
  };
  /** The same for two, as most are. */
  const both = (f) => (a, b) => {
    if (!isArray(a) && !isArray(b)) return f(a, b);
    const result = filled((isArray(a) ? a : b).shape), data = result.data;
    const p = isArray(a) ? a.data : null, q = isArray(b) ? b.data : null;
    for (let i = 0; i < data.length; i++) data[i] = f(p ? p[i] : a, q ? q[i] : b);
    return result;
  };
  const plus = both((a, b) => a + b), times = both((a, b) => a * b);
  const folded = (f) => (...terms) => terms.reduce((a, b) => f(a, b));
  const divide = (a, b) => {
    if (!isArray(a) && b === 0) refuse("wrong.division");
    return both((x, y) => x / y)(a, b);
  };
  const logarithm = (x) => (x <= 0 ? refuse("wrong.log") : Math.log(x));
  const power = (base, exponent) => {
    if (exponent === 2) return base * base;
    if (base < 0 && exponent !== Math.trunc(exponent)) refuse("wrong.power");
    if (base === 0 && exponent < 0) refuse("wrong.division");
    return Math.pow(base, exponent);
  };
  /** By its series with positive terms, or a continued fraction for the rest that is missing to 1. */
  const erf = (x) => {
    const z = Math.abs(x), scale = Math.exp(-z * z) / Math.sqrt(Math.PI);
    if (Number.isNaN(z)) return z;
    if (z > 6) return Math.sign(x);
    if (z < 2.5) {
      let term = 2 * z, total = term;
      for (let n = 1; term > total * 1e-18; n++) { term *= 2 * z * z / (2 * n + 1); total += term; }
      return Math.sign(x) * scale * total;
    }
    let below = z;
    for (let n = 60; n > 0; n--) below = z + (n / 2) / below;
    return Math.sign(x) * (1 - scale / below);
  };

  // --- arrays

  const product = (a, b) => {
    const [m, k] = a.shape.length === 2 ? a.shape : [1, a.shape[0]];
    const n = b.shape.length === 2 ? b.shape[1] : 1;
    const shape = [...a.shape.slice(0, -1), ...b.shape.slice(1)];
    const result = filled(shape.length ? shape : [1]);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let l = 0; l < k; l++) total += a.data[i * k + l] * b.data[l * n + j];
        result.data[i * n + j] = total;
      }
    }
    return shape.length ? result : result.data[0];
  };
  const outer = (a, b) => {
    const result = filled([a.data.length, b.data.length]);
    a.data.forEach((v, i) => b.data.forEach((w, j) => { result.data[i * b.data.length + j] = v * w; }));
    return result;
  };
  const transpose = (a) => {
    if (a.shape.length === 1) return array([1, a.shape[0]], a.data);
    const [m, n] = a.shape, result = filled([n, m]);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result.data[j * m + i] = a.data[i * n + j];
    return result;
  };
  const concat = (...parts) => {
    const data = Float64Array.from(parts.flatMap((part) => [...numbers(part)]));
    const first = parts.find(isArray), rest = first ? first.shape.slice(1) : [];
    return array([parts.reduce((sum, part) => sum + rows(part), 0), ...rest], data);
  };
  /** Where part k of a concatenation begins and ends. */
  const ends = (which, parts) => {
    const before = parts.slice(0, which - 1).reduce((sum, part) => sum + rows(part), 0);
    return [before, before + rows(parts[which - 1])];
  };
  const slice = (x, from, to) => {
    const width = size(x) / x.shape[0];
    return array([to - from, ...x.shape.slice(1)], x.data.slice(from * width, to * width));
  };
  const block = (whole, which, ...parts) => {
    const [from, to] = ends(which, parts);
    return isArray(parts[which - 1]) ? slice(whole, from, to) : whole.data[from];
  };
  const columns = (whole, which, ...parts) => {
    const [from, to] = ends(which, parts), [m, n] = whole.shape, result = filled([m, to - from]);
    for (let i = 0; i < m; i++) for (let j = from; j < to; j++) result.data[i * (to - from) + j - from] = whole.data[i * n + j];
    return result;
  };
  const placeColumns = (piece, which, ...parts) => {
    const [from, to] = ends(which, parts), m = piece.shape[0], n = ends(parts.length, parts)[1], result = filled([m, n]);
    for (let i = 0; i < m; i++) for (let j = from; j < to; j++) result.data[i * n + j] = piece.data[i * (to - from) + j - from];
    return result;
  };
  const position = (x, at) => (at === Math.trunc(at) && at >= 1 && at <= x.shape[0] ? at - 1 : refuse("wrong.entry"));
  const unit = (x, at) => {
    const result = filled(x.shape);
    result.data[position(x, at)] = 1;
    return result;
  };
  const place = (x, from, to, like) => {
    const result = filled(like.shape);
    result.data.set(x.data, from - 1);
    return result;
  };
  const softmax = (x) => {
    const top = largestOf(x.data), e = mapped((v) => Math.exp(v - top), x), total = added(e.data);
    return mapped((v) => v / total, e);
  };
  const logsumexp = (x) => {
    if (!isArray(x)) return x;
    const top = largestOf(x.data);
    return top + Math.log(added(x.data.map((v) => Math.exp(v - top))));
  };
  const extreme = (sign) => (x) => {
    const top = largestOf(numbers(x).map((v) => sign * v)), best = numbers(x).filter((v) => sign * v === top);
    return best.length === 1 ? best[0] : added(best) / best.length;
  };
  const share = (x) => {
    if (!isArray(x)) return 1;
    const top = largestOf(x.data), count = x.data.filter((v) => v === top).length;
    return mapped((v) => (v === top ? 1 / count : 0), x);
  };
  const ties = (x) => {
    const sorted = [...numbers(x)].sort((a, b) => b - a);
    return sorted.length < 2 ? 1 : sorted[0] - sorted[1];
  };
  const diag = (x) => {
    const n = x.data.length, result = filled([n, n]);
    x.data.forEach((v, i) => { result.data[i * n + i] = v; });
    return result;
  };
  const diagonal = (x) => array([Math.min(...x.shape)], Float64Array.from({ length: Math.min(...x.shape) }, (_, i) => x.data[i * x.shape[1] + i]));

  /** Rows (or numbers) as a matrix. */
  const stacked = (...parts) => array([parts.length, size(parts[0])], Float64Array.from(parts.flatMap((part) => [...numbers(part)])));
  /** The singular values, the largest first: columns are turned until each is at right angles to the others (Jacobi). */
  const singularValues = (matrix) => {
    const wide = matrix.shape[0] < matrix.shape[1], [m, n] = (wide ? transpose(matrix) : matrix).shape;
    const a = [...(wide ? transpose(matrix) : matrix).data], times = (p, q) => { let sum = 0; for (let i = 0; i < m; i++) sum += a[i * n + p] * a[i * n + q]; return sum; };
    for (let turn = 0, moved = true; moved && turn < 60; turn++) {
      moved = false;
      for (let p = 0; p < n; p++) {
        for (let q = p + 1; q < n; q++) {
          const one = times(p, p), other = times(q, q), both = times(p, q);
          if (Math.abs(both) <= 1e-17 * Math.sqrt(one * other)) continue;
          moved = true;
          const zeta = (other - one) / (2 * both), t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
          const c = 1 / Math.sqrt(1 + t * t), s = c * t;
          for (let i = 0; i < m; i++) {
            const x = a[i * n + p], y = a[i * n + q];
            a[i * n + p] = c * x - s * y;
            a[i * n + q] = s * x + c * y;
          }
        }
      }
    }
    const found = Array.from({ length: n }, (_, p) => Math.sqrt(times(p, p))).sort((x, y) => y - x);
    return found.map((value) => (value > found[0] * Math.max(m, n) * 2 ** -52 ? value : 0)); // rounding alone makes no rank
  };

  // --- the table of operations

  const operations = {
    exp: each(Math.exp), log: each(logarithm), sqrt: each((x) => (x < 0 ? refuse("wrong.sqrt") : Math.sqrt(x))),
    sin: each(Math.sin), cos: each(Math.cos), tan: each(Math.tan), tanh: each(Math.tanh), erf: each(erf),
    abs: each(Math.abs), sign: each(Math.sign), step: both((x, c) => (x > 0 ? 1 : x < 0 ? 0 : c)),
    max: both((a, b) => (a >= b ? a : b)), min: both((a, b) => (a <= b ? a : b)),
    clip: (...operands) => broadcast((x, low, high) => (x < low ? low : x > high ? high : x), ...operands),
    xlogy: both((d, p) => (d === 0 ? 0 : d * logarithm(p))), div: divide, power: both(power),
    add: folded(plus), mul: folded(times), neg: each((x) => -x),
    matmul: product, dot: (a, b) => (isArray(a) ? added(times(a, b).data) : a * b), outer, transpose,
    unrow: (x) => array([x.shape[1]], x.data.slice(0, x.shape[1])),
    sum: (x) => (isArray(x) ? added(x.data) : x), mean: (x) => (isArray(x) ? added(x.data) / size(x) : x), count: size,
    expand: (x, like) => (isArray(like) ? filled(like.shape, x) : x), zeros: (x) => (isArray(x) ? filled(x.shape) : 0),
    concat, block, columns, place_columns: placeColumns, entry: (x, at) => x.data[position(x, at)], unit,
    part: (x, from, to) => slice(x, from - 1, to), place,
    softmax, logsumexp, log_softmax: (x) => plus(x, -logsumexp(x)),
    norm2: (x) => (isArray(x) ? Math.sqrt(added(times(x, x).data)) : Math.abs(x)),
    "·rows": stacked, "·singular": (at, ...rows) => singularValues(stacked(...rows))[at - 1],
    largest: extreme(1), smallest: extreme(-1), argmax_share: share, ties, diag, diagonal, stop_gradient: (x) => x,
  };

  /** A tree as a function of what stands in its slots: a slot's number, [a constant], or [operation, operands...]. */
  const walked = (tree, table) => {
    if (typeof tree === "number") return (slots) => slots[tree];
    const [name, ...operands] = tree;
    if (typeof name === "number") return () => name;
    const f = table(name), parts = operands.map((operand) => walked(operand, table));
    const [a, b] = parts;
    if (parts.length === 1) return (slots) => f(a(slots));
    if (parts.length === 2) return (slots) => f(a(slots), b(slots));
    return (slots) => f(...parts.map((part) => part(slots)));
  };

  /** The operations and the functions that are given by formulas. */
  const tableOf = (formulas = {}) => {
    const known = new Map(Object.entries(operations));
    return function table(name) {
      if (!known.has(name)) {
        const formula = walked(formulas[name], table);
        known.set(name, (...slots) => formula(slots));
      }
      return known.get(name);
    };
  };

  const isFinite = (x) => (isArray(x) ? x.data.every(Number.isFinite) : Number.isFinite(x));

  /**
   * A program from its data: `formulas` and `trees`, `constants`, `shapes` (of arrays for which a number may stand),
   * `steps` [instance, ground] or [instance, [ground, ground...]] and `made` [tree, slots...], each ground a tree's
   * number and what stands in its slots: an instance, a constant (negative), a list of grounds to add up.
   */
  const program = (data) => {
    const table = tableOf(data.formulas), trees = data.trees.map((tree) => walked(tree, table));
    const run = (given) => {
      const values = [], wrong = new Map(), made = [];
      const read = (slot) => {
        if (Array.isArray(slot)) return total(slot);
        if (typeof slot === "string") return slot === "1" ? 1 : other(Number(slot.slice(1)));
        return slot < 0 ? data.constants[-1 - slot] : values[slot];
      };
      const ground = (tree, slots) => {
        const operands = slots.map(read);
        return operands.includes(undefined) ? undefined : trees[tree](operands); // one of them is not defined
      };
      const total = (grounds) => {
        let sum = 0;
        for (let i = 0; i < grounds.length; i++) {
          const value = ground(grounds[i][0], grounds[i].slice(1));
          if (value === undefined) return undefined;
          sum = i === 0 ? value : plus(sum, value);
        }
        return sum;
      };
      const checked = (value) => (value === undefined || isFinite(value) ? value : refuse("wrong.finite"));
      const other = (at) => {
        if (!(at in made)) {
          try { made[at] = checked(ground(data.made[at][0], data.made[at].slice(1))); } catch (error) {
            if (!(error instanceof Undefined)) throw error;
            made[at] = undefined;
          }
        }
        return made[at];
      };
      for (const [number, value] of given) {
        if (isFinite(value)) values[number] = value;
      }
      for (const [number, first, ...slots] of data.steps) {
        try {
          const value = checked(Array.isArray(first) ? total(first) : first === undefined ? 0 : ground(first, slots));
          const shape = data.shapes[number];
          values[number] = shape && typeof value === "number" ? filled(shape, value) : value;
        } catch (error) {
          if (!(error instanceof Undefined)) throw error;
          wrong.set(number, error.reason);
        }
      }
      return { values, wrong, made: other };
    };
    return { run };
  };

  /** The number that a key names in a run: `d7:0,1`, with a minus sign in front for its opposite. */
  const look = (result, key) => {
    const sign = key[0] === "-" ? -1 : 1, [name, at] = key.slice(sign < 0 ? 1 : 0).split(":");
    const number = Number(name.slice(1));
    const value = name[0] === "v" || name[0] === "d" ? result.values[number] : result.made(number);
    if (value === undefined) return undefined;
    if (!isArray(value)) return sign * value;
    if (at === undefined) return sign < 0 ? mapped((v) => -v, value) : value;
    const [row, column = 0] = at.split(",").map(Number);
    return sign * value.data[value.shape.length === 2 ? row * value.shape[1] + column : row];
  };

  return { program, look, walked, tableOf, array, isArray };
})();
if (typeof module !== "undefined") module.exports = interpreter;
