// What could stand at a place of a document: where it is in the YAML, and what the vocabulary offers there.

const NAME = /[\p{L}_][\p{L}\p{M}\p{N}_'-]*$/u;
const unquoted = (text) => text.trim().replace(/^(["'])(.*)\1$/, "$2");
const indentOf = (line) => line.search(/\S|$/);
const keyOf = (line) => /^\s*(?:- )?("[^"]*"|'[^']*'|[^\s#:{}[\],][^:#{},]*?)\s*:(?=\s|$)(.*)$/.exec(line);

/** The offset of the bracket that is open at a place, looking back no further than `least`; -1: none is. */
const opened = (text, at, least) => {
  let deep = 0;
  for (let i = at - 1; i >= least; i--) {
    if (text[i] === "}" || text[i] === "]") deep++;
    else if (text[i] === "{" || text[i] === "[") { if (!deep) return i; deep--; }
  }
  return -1;
};

/** The keys of the lines above with less indentation, outermost first, and the kind of text block the place is in. */
const above = (lines, number, indent) => {
  const path = [];
  let deep = indent, block = false;
  for (let at = number - 1; at >= 0 && deep > 0; at--) {
    const line = lines[at];
    if (!line.trim() || /^\s*#/.test(line)) continue;
    const found = keyOf(line), level = indentOf(line);
    if (level >= deep || !found) continue;
    path.unshift(unquoted(found[1]));
    block = /^\s*[|>][-+0-9]*\s*(#.*)?$/.test(found[2]);
    if (block) path.splice(1); // what looks like keys inside a text is none
    deep = level;
  }
  return { path, block };
};

/** Where a place is: the keys that lead there, `kind` (key, value or text), and what of a word stands before it. */
export const context = (text, at) => {
  const start = text.lastIndexOf("\n", at - 1) + 1;
  const lines = text.slice(0, start).split("\n").slice(0, -1);
  const line = text.slice(start, at);
  const up = above(lines, lines.length, line.trim() ? indentOf(line) : line.length);
  if (up.block) return { path: up.path, kind: "text", prefix: (NAME.exec(line) || [""])[0] };
  if (/(^|\s)#/.test(line)) return { path: [], kind: "comment", prefix: "" };
  let least = start;
  for (let i = lines.length; i > 0 && /^\s|^$/.test(text.slice(least, least + 1)); i--) least = text.lastIndexOf("\n", least - 2) + 1;
  const bracket = opened(text, at, Math.max(0, least));
  if (bracket >= 0) {
    const outer = context(text, bracket);
    const inner = text.slice(bracket + 1, at), cut = lastComma(inner);
    const piece = inner.slice(cut).trimStart(), colon = /^("[^"]*"|'[^']*'|[^:{}]*?)\s*:\s+(.*)$/s.exec(piece);
    if (text[bracket] === "[") return { path: outer.path, kind: "value", prefix: piece, inside: true };
    if (colon) return { path: [...outer.path, unquoted(colon[1])], kind: "value", prefix: colon[2] };
    return { path: outer.path, kind: "key", prefix: piece, flow: true };
  }
  const found = keyOf(line);
  if (found) return { path: [...up.path, unquoted(found[1])], kind: "value", prefix: found[2].trimStart() };
  return { path: up.path, kind: "key", prefix: line.trimStart().replace(/^- /, "") };
};

const lastComma = (text) => {
  let deep = 0, at = 0;
  [...text].forEach((character, i) => {
    if ("{[".includes(character)) deep++;
    else if ("}]".includes(character)) deep--;
    else if (character === "," && !deep) at = i + 1;
  });
  return at;
};

/** The value of `key: value` below a top key, wherever it is written. */
const valueOf = (text, top, key) => {
  const block = new RegExp(`^${top}:([^\\n]*(?:\\n(?:[ \\t][^\\n]*)?)*)`, "m").exec(text);
  const found = block && new RegExp(`(?:^|[\\s{,])${key}:[ \\t]*["']?([\\w-]+)`).exec(block[1]);
  return found ? found[1] : "";
};

/** The names that equations define, and those that they only read. */
const names = (text) => {
  const defined = new Set(), read = new Set();
  const block = /^equations:[^\n]*((?:\n(?:[ \t][^\n]*)?)*)/m.exec(text);
  for (const line of block ? block[1].split("\n") : []) {
    const [left, right] = line.split("#")[0].split(/=(.*)/s);
    if (right === undefined) continue;
    defined.add(left.trim().replace(/\[.*$/, ""));
    for (const found of right.matchAll(/[\p{L}][\p{L}\p{M}\p{N}_']*(?!\s*\(|[\p{L}\p{N}_'])/gu)) read.add(found[0]);
  }
  return { defined: [...defined], read: [...read].filter((name) => !defined.has(name) && !["for", "in", "where", "and"].includes(name)) };
};

/** The part of the schema that a path leads to. */
const part = (schema, path) => {
  const whole = (found) => (found?.$ref ? { ...whole(schema.$defs[found.$ref.split("/").at(-1)]), ...found, $ref: undefined } : found);
  const alternatives = (found) => [found, ...(found?.oneOf || []), ...(found?.anyOf || [])].map(whole).filter(Boolean);
  let here = [whole(schema)];
  for (const key of path) {
    here = here.flatMap(alternatives).flatMap((found) => {
      const inner = found.properties?.[key] ?? (typeof found.additionalProperties === "object" ? found.additionalProperties : null);
      return inner ? [whole(inner)] : [];
    });
  }
  return here.flatMap(alternatives).flatMap(alternatives);
};

/** A text of the vocabulary, which is there in every language where it is ours, in that of the page. */
export const inWords = (text) => (typeof text === "object" && text ? text[document.documentElement.lang] ?? text.en : text) ?? "";

const shape = (about, value) => ({ about: inWords(about), more: value ? ": " : "" });

/** Everything that could stand at a place, before what was begun is looked at. */
const all = ({ path, kind }, words, text) => {
  const [top, key, inner] = path, asKey = (about) => shape(about, true);
  const functions = (kinds) => Object.entries(words.functions).filter(([, f]) => kinds.includes(f.kind)).map(([name, f]) => [name, shape(f.about)]);
  if (kind === "text") {
    if (top !== "equations" && key !== "cell") return [];
    const { defined, read } = names(text);
    return [...[...defined, ...read].map((name) => [name, shape("")]), ...functions(["function", "activation", "loss"]), ["for", shape("")], ["where", shape("")]];
  }
  if (kind === "comment") return [];
  const topology = words.topologies[valueOf(text, "network", "topology")];
  const rule = words.rules[valueOf(text, "update", "rule")];
  const keys = part(words.schema, path).flatMap((found) => Object.entries(found.properties || {}));
  if (kind === "key") {
    const options = top === "network" && path.length === 1 ? topology?.options : top === "update" && path.length === 1 ? rule?.options : null;
    const more = Object.entries(options || {}).map(([name, o]) => [name, asKey(o.default)]);
    const inside = top === "network" && path.length === 2 ? (topology?.options[key]?.keys || []).map((name) => [name, asKey("")]) : [];
    const given = ["values", "data", "parameters"].includes(top) && path.length === 1 ? names(text).read.map((name) => [name, asKey("")]) : [];
    return [...given, ...keys.map(([name, found]) => [name, asKey(found.description)]), ...more, ...inside];
  }
  if (top === "network" && key === "topology") return Object.entries(words.topologies).map(([name, t]) => [name, shape(t.about)]);
  if (top === "network" && path.length === 2 && topology?.options[key]) {
    const option = topology.options[key];
    const loss = key === "loss";
    return [...(option.words || []).map((word) => [word, shape(word === option.default ? "·" : "")]), ...(option.function ? functions(loss ? ["loss"] : ["activation"]) : [])];
  }
  if (top === "network" && inner === "activation") return functions(["activation"]);
  if (top === "update" && (key === "rule" || path.length === 1)) return Object.entries(words.rules).map(([name, r]) => [name, shape(r.about)]);
  if (top === "notation" && (key === "profile" || path.length === 1)) return Object.entries(words.notations).map(([name, title]) => [name, shape(title)]);
  if (top === "target" || top === "wrt") return [...(top === "wrt" ? names(text).read : []), ...names(text).defined].map((name) => [name, shape("")]);
  return part(words.schema, path).flatMap((found) => (found.enum || (found.const !== undefined ? [found.const] : []))).map((word) => [String(word), shape("")]);
};

/** What is offered: what begins with what was typed first, then what holds it; what the mapping has already is left out. */
export const offers = (here, words, text) => {
  const begun = here.prefix.toLowerCase(), found = new Map();
  for (const [name, more] of all(here, words, text)) if (!found.has(name)) found.set(name, { name, ...more });
  if (here.kind === "key" && !here.path.length) {
    for (const line of text.split("\n")) {
      const known = /^([^\s#:]+):/.exec(line)?.[1];
      if (known && known !== here.prefix) found.delete(known);
    }
  }
  const ordered = [...found.values()];
  const first = ordered.filter((offer) => offer.name.toLowerCase().startsWith(begun));
  const then = begun.length > 1 ? ordered.filter((offer) => !first.includes(offer) && offer.name.toLowerCase().includes(begun)) : [];
  return [...first, ...then].slice(0, 200);
};
