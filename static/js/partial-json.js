// JSON that is still being written: what has arrived so far, as a value.

/** Nesting beyond which a document is not followed: hostile input must not exhaust the stack. */
const DEPTH = 64;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERALS = [["true", true], ["false", false], ["null", null]];

/** Returned where nothing has arrived yet: unlike null, it is no value. */
export const NOTHING = Symbol("nothing yet");

/**
 * Return {value, complete}: the value so far, or NOTHING. A string ends where the text ends, a key without a
 * value is left out. Throws SyntaxError where the text is not the beginning of JSON.
 */
export function parsePartial(text) {
  const state = { text, at: 0, open: false };
  const fence = /^\s*```[a-zA-Z]*[^\S\n]*\n/.exec(text);
  if (fence) state.at = fence[0].length;
  const value = any(state, 0);
  return { value, complete: value !== NOTHING && !state.open };
}

function any(state, depth) {
  if (depth > DEPTH) throw new SyntaxError("nested too deeply");
  const first = peek(state);
  if (first === "") return nothing(state);
  if (first === "{") return object(state, depth);
  if (first === "[") return array(state, depth);
  if (first === '"') return string(state);
  return scalar(state);
}

function nothing(state) {
  state.open = true;
  return NOTHING;
}

function peek(state) {
  const { text } = state;
  while (state.at < text.length && " \n\r\t".includes(text[state.at])) state.at += 1;
  return text[state.at] ?? "";
}

function object(state, depth) {
  const result = {};
  state.at += 1;
  for (let first = true; ; first = false) {
    let next = peek(state);
    if (next === "}") return close(state, result);
    if (!first) {
      if (next === "") return left(state, result);
      expect(state, ",");
      next = peek(state);
    }
    if (next === "") return left(state, result);
    if (next !== '"') throw new SyntaxError("expected a key");
    const key = string(state);
    if (state.open || peek(state) === "") return left(state, result);
    expect(state, ":");
    const value = any(state, depth + 1);
    // Defined rather than assigned: "__proto__" is a key like any other, as in JSON.parse.
    if (value !== NOTHING) Object.defineProperty(result, key, { value, writable: true, enumerable: true, configurable: true });
    if (state.open) return result;
  }
}

function array(state, depth) {
  const result = [];
  state.at += 1;
  for (let first = true; ; first = false) {
    const next = peek(state);
    if (next === "]") return close(state, result);
    if (next === "") return left(state, result);
    if (!first) {
      expect(state, ",");
      if (peek(state) === "") return left(state, result);
    }
    const value = any(state, depth + 1);
    if (value !== NOTHING) result.push(value);
    if (state.open) return result;
  }
}

function close(state, result) {
  state.at += 1;
  return result;
}

function left(state, result) {
  state.open = true;
  return result;
}

function expect(state, character) {
  if (state.text[state.at] !== character) throw new SyntaxError(`expected ${character}`);
  state.at += 1;
}

function string(state) {
  const { text } = state;
  let result = "";
  let from = state.at + 1;
  for (let at = from; ; at += 1) {
    const character = text[at];
    if (character === '"') {
      state.at = at + 1;
      return result + text.slice(from, at);
    }
    if (character === undefined) {
      state.open = true;
      state.at = at;
      return result + text.slice(from, at);
    }
    if (character !== "\\") continue;
    result += text.slice(from, at);
    const code = text[at + 1];
    const hex = text.slice(at + 2, at + 6);
    if (code === undefined || (code === "u" && hex.length < 4 && /^[0-9a-fA-F]*$/.test(hex))) {
      state.open = true;
      state.at = text.length;
      return result;
    }
    if (code === "u") {
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw new SyntaxError("bad escape");
      result += String.fromCharCode(parseInt(hex, 16));
      at += 5;
    } else {
      if (!(code in ESCAPES)) throw new SyntaxError("bad escape");
      result += ESCAPES[code];
      at += 1;
    }
    from = at + 1;
  }
}

function scalar(state) {
  const { text, at } = state;
  for (const [word, value] of LITERALS) {
    const part = text.slice(at, at + word.length);
    if (part === word) {
      state.at += word.length;
      return value;
    }
    if (at + part.length === text.length && word.startsWith(part)) return nothing(state);
  }
  NUMBER.lastIndex = at;
  const found = NUMBER.exec(text)?.[0] ?? "";
  const end = at + found.length;
  // More digits may follow, or only the sign has arrived: the end of the text decides nothing about a number.
  if (/^[-+.eE\d]*$/.test(text.slice(end)) && at < text.length && /[-\d]/.test(text[at])) {
    state.at = text.length;
    state.open = true;
    return found === "" ? NOTHING : Number(found);
  }
  if (found === "") throw new SyntaxError("expected a value");
  state.at = end;
  return Number(found);
}
