// Which accesses are wanted. Places, accesses, values and code are written as on the command line (--only, --without,
// --value, --ip; docs/formats.md), several after another with ";" between them: either will do.
// The rules are those of mmio/traces/selection.py and expected.py.

const NUMBER = "(?:0[xX][0-9a-fA-F]{1,1000}|[0-9]{1,1000})";
const SPAN = new RegExp(`^(${NUMBER})(?:(\\.\\.|\\+)(${NUMBER}))?$`);
const MEANT_AS_SPAN = /^(?:0[xX]|\d+(?:\.\.|\+|$))/;
const IS_ACCESS = /^(?:R|W|RW)\d* +\S/;
const ACCESS = /^(RW|R|W)([1-9]\d{0,4})? +(\S.*)$/s;

class Mistake extends Error {}

/** Return the parts of a text between semicolons. */
const parts = (text) => text.split(";").map((part) => part.trim()).filter(Boolean);

/** Read 0x10, 0x10..0x20 (its end not included) or 0x10+0x8: the first number and the first beyond. */
function span(text) {
  const match = SPAN.exec(text);
  const wrong = new Mistake(`expected a number such as 0x10, or a range 0x10..0x20 or 0x10+0x8, got "${text}"`);
  if (!match || /^0\d/.test(match[1]) || /^0\d/.test(match[3] || "")) throw wrong;
  const start = BigInt(match[1]);
  const end = match[3] === undefined ? start + 1n : BigInt(match[3]) + (match[2] === "+" ? start : 0n);
  if (end <= start) throw new Mistake(`expected a range that ends after its beginning, got "${text}"`);
  return [start, end];
}

/** Return the test whether a whole name fits a pattern with * and ?. */
function like(pattern) {
  const escaped = pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\\\*/g, ".*").replace(/\\\?/g, ".");
  const expression = new RegExp(`^${escaped}$`, "su");
  return (name) => name !== null && expression.test(name);
}

const touches = (first, width, [start, end]) => first < end && start < first + BigInt(width);

/** What is known of a spot, for the tests below. */
function described(trace, spot) {
  const place = trace.spotPlace[spot];
  const [thread, letter, width, code, notes, layout] = trace.data.sites[trace.spotSite[spot]];
  const region = trace.region(place), address = trace.addresses.at(spot);
  const register = trace.register(place);
  const offset = region === null ? null : trace.offsets.at(spot);
  return {
    letter, width, region, register, offset, address, space: trace.space(place), name: trace.placeName(place),
    fields: trace.data.layouts[layout], code: trace.code(code), notes, thread,
  };
}

/** Return the test whether a spot is at a place such as uart.STATUS, 'uart.TX*', uart+0x10..0x20 or port 0x70. */
function atPlace(text) {
  const at = (space, range) => (spot) => spot.space === space && touches(spot.address, spot.width, range);
  if (text.startsWith("port ")) return at("port", span(text.slice(5).trim()));
  if (MEANT_AS_SPAN.test(text)) return at("memory", span(text));
  const plus = text.indexOf("+");
  const [first, second] = plus < 0 ? [text, ""] : [text.slice(0, plus), text.slice(plus + 1)];
  const offsets = plus >= 0 && MEANT_AS_SPAN.test(second) ? span(second) : null;
  const fits = like(text), inRegion = first ? like(first) : () => true;
  return (spot) => {
    if (spot.region === null || spot.offset === null) return false;
    if (offsets && inRegion(spot.region)) return touches(spot.offset, spot.width, offsets);
    return names(spot).some(fits);
  };
}

/** Return the names of a spot's place: its region, its registers, an array by its name without an index. */
function names({ region, register }) {
  const found = new Set([register || ""]);
  if (register !== null) {
    register.split("..").forEach((name) => found.add(name));
    [...found].forEach((name) => found.add(name.split("+")[0]));
    [...found].forEach((name) => found.add(name.replace(/\[\d+\]/g, "")));
  }
  return [region, ...found, ...[...found].map((name) => `${region}.${name}`)];
}

/** Read a number in any base, as Python does. */
function integer(text) {
  const digits = text.replace(/(?<=[0-9a-zA-Z])_(?=[0-9a-zA-Z])/g, "");
  if (!/^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0+|[1-9]\d*)$/.test(digits)) {
    throw new Mistake(`"${text}" is no value such as 1, 0x1 or 0x1/0xff`);
  }
  return BigInt(digits);
}

/**
 * Return the test of an access such as "W4 CTRL.UP=1": for a spot, false, true, or the [mask, value] pairs of which its
 * value must fit one.
 */
function asAccess(text) {
  const match = ACCESS.exec(text);
  if (!match) throw new Mistake(`expected an access such as W4 CTRL=0x1, got "${text}"`);
  const [, letter, width, rest] = match;
  const equals = rest.indexOf("=");
  const place = equals < 0 ? rest : rest.slice(0, equals);
  const [wanted, mask] = equals < 0 ? [] : rest.slice(equals + 1).split("/").map(integer);
  if (!place || place !== place.trim()) throw new Mistake(`expected an access such as W4 CTRL=0x1, got "${text}"`);
  const dot = place.lastIndexOf(".");
  return (spot) => {
    if (!spot.letter.includes(letter) || (width && Number(width) !== spot.width)) return false;
    if (exactNames(spot).has(place)) return wanted === undefined || [[mask === undefined ? -1n : mask, wanted]];
    if (dot < 0 || !exactNames(spot).has(place.slice(0, dot))) return false;
    const fields = spot.fields.filter(([name]) => name === place.slice(dot + 1));
    if (wanted === undefined || !fields.length) return fields.length > 0;
    return fields.map(([, msb, lsb]) => {
      const all = (1n << BigInt(msb - lsb + 1)) - 1n;
      const bits = mask === undefined ? all : mask & all;
      return wanted & ~bits ? [0n, 1n] : [bits << BigInt(lsb), wanted << BigInt(lsb)]; // a value it cannot have
    });
  };
}

/** Return every name of the place an access went to, as `places` in Python. */
function exactNames({ space, address, region, offset, register, name }) {
  const number = space === "port" ? `port ${hex(address)}` : hex(address);
  if (offset === null) return new Set([number]);
  const within = `+${hex(offset)}`;
  return new Set([number, within, `${region}${within}`, name, register || within]);
}

const placeOrAccess = (text) => (IS_ACCESS.test(text) ? asAccess(text) : atPlace(text));

/** Return the test of code: at an address, in a range, a module or a function. */
function byCode(text) {
  if (MEANT_AS_SPAN.test(text)) {
    const [start, end] = span(text);
    return ({ code }) => code.ip !== "" && BigInt(code.ip) >= start && BigInt(code.ip) < end;
  }
  const fits = like(text);
  return ({ code }) => [code.module, ...code.functions].some((name) => name && fits(name));
}

/** Return the test whether some text is in what is shown of a spot: its names, fields, function, line, instruction. */
function withText(text) {
  const wanted = text.toLowerCase();
  return ({ name, code, notes, thread, fields, address }) =>
    [name, code.name, code.line, code.module, code.ip, code.text, notes, `thread ${thread}`, hex(address),
      ...code.functions, ...fields.map(([field]) => field), ...fields.flatMap(([, , , named]) => Object.values(named))]
      .some((shown) => shown.toLowerCase().includes(wanted));
}

/** Where neither a name nor a pattern is meant, take a part of a name for it: a reader types on. */
function loosely(spots, text, test) {
  if (IS_ACCESS.test(text) || MEANT_AS_SPAN.test(text) || /[*?+]/.test(text) || spots.some((spot) => test(spot))) {
    return test;
  }
  const part = text.toLowerCase();
  return ({ name }) => name.toLowerCase().includes(part);
}

/**
 * Return the rows that are wanted, in order.
 *
 * wanted: {only, without, direction, value, code, text}, texts each, "" for any. partly: a part of a name will do.
 * Throws a Mistake where a text is not what is expected.
 */
function filtered(trace, wanted, partly = true) {
  trace.described ??= Array.from({ length: trace.spots }, (_, spot) => described(trace, spot));
  const spots = trace.described;
  const some = (text, read) => parts(text || "").map((part) => (partly ? loosely(spots, part, read(part)) : read(part)));
  const only = some(wanted.only, placeOrAccess), without = some(wanted.without, placeOrAccess);
  const codes = parts(wanted.code || "").map(byCode), ranges = parts(wanted.value || "").map(span);
  const text = (wanted.text || "").trim(), contains = withText(text);
  const digits = /^(?:0x)?[0-9a-f]+$/i.test(text) ? text.toLowerCase() : null;

  // What holds for all accesses of a spot is decided once a spot; a row is looked at where its value matters.
  const verdicts = spots.map((spot) => {
    if (wanted.direction && !spot.letter.includes(wanted.direction)) return false;
    if (codes.length && !codes.some((test) => test(spot))) return false;
    const chosen = only.length ? only.map((test) => test(spot)).filter(Boolean) : [true];
    const refused = without.map((test) => test(spot)).filter(Boolean);
    const named = !text || contains(spot);
    if (!chosen.length || refused.includes(true) || (!named && !digits)) return false;
    const free = chosen.includes(true) && !refused.length && !ranges.length && named;
    return free || { masks: chosen.includes(true) ? null : chosen.flat(), refused: refused.flat(), named };
  });
  const fits = (row, { masks, refused, named }) => {
    const value = trace.value(row);
    const holds = ([mask, bits]) => (value & mask) === bits;
    return (!masks || masks.some(holds)) && !refused.some(holds)
      && (!ranges.length || ranges.some(([start, end]) => value >= start && value < end))
      && (named || trace.shown(row).includes(digits));
  };
  const rows = new Uint32Array(trace.count);
  let count = 0;
  for (let row = 0; row < trace.count; row++) {
    const verdict = verdicts[trace.spot[row]];
    if (verdict === true || (verdict && fits(row, verdict))) rows[count++] = row;
  }
  return rows.subarray(0, count);
}
