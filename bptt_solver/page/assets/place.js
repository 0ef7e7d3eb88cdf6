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
