"use strict";

// The data of the page (mmio/reports/packing.py and contents.py): columns of numbers, and the tables they refer to.

const NONE = 0xffffffff; // no region, or no register

/** Return the bytes of a text of base64 that was compressed by zlib. */
async function inflated(text) {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A column of unsigned numbers: their low 32 bits, and their high ones, null where all are 0. */
class Column {
  constructor(bytes, at, width, count) {
    this.low = new Uint32Array(count);
    this.high = null;
    for (let plane = 0; plane < width; plane++) {
      const from = bytes.subarray(at + plane * count, at + (plane + 1) * count);
      if (plane >= 4 && !this.high) {
        if (from.every((byte) => byte === 0)) continue;
        this.high = new Uint32Array(count);
      }
      const to = plane < 4 ? this.low : this.high;
      const shift = 8 * (plane % 4);
      for (let i = 0; i < count; i++) to[i] |= from[i] << shift;
    }
  }

  /** The number as a BigInt: 64 bits do not fit a Number. */
  at(i) {
    return this.high && this.high[i] ? (BigInt(this.high[i]) << 32n) | BigInt(this.low[i]) : BigInt(this.low[i]);
  }

  /** Running sums of signed steps, as Numbers: nanoseconds are exact for 104 days. */
  sums() {
    const sums = new Float64Array(this.low.length);
    let sum = 0;
    for (let i = 0; i < sums.length; i++) {
      sum += (this.high ? this.high[i] | 0 : 0) * 4294967296 + this.low[i];
      sums[i] = sum;
    }
    return sums;
  }
}

const hex = (number, digits = 0) => "0x" + number.toString(16).padStart(digits, "0");

/** A time in nanoseconds as seconds with six digits, as the tables of the command line have it. */
function seconds(time) {
  const microseconds = Math.floor(time / 1000);
  return `${Math.floor(microseconds / 1e6)}.${String(microseconds % 1e6).padStart(6, "0")}`;
}

/** A length of time in a unit that suits it. */
function duration(time) {
  const [scale, unit] = [[1e9, "s"], [1e6, "ms"], [1e3, "\u00b5s"], [1, "ns"]].find(([s]) => time >= s) || [1, "ns"];
  return `${Number((time / scale).toPrecision(4))} ${unit}`;
}

/** The accesses, by row from 0, and what is said of each. */
class Trace {
  static async read(text) {
    const bytes = await inflated(text);
    const view = new DataView(bytes.buffer);
    const end = 4 + view.getUint32(0, true);
    const data = JSON.parse(new TextDecoder().decode(bytes.subarray(4, end)));
    const columns = {};
    let at = end;
    for (const [name, width, count] of data.columns) {
      columns[name] = new Column(bytes, at, width, count);
      at += width * count;
    }
    return new Trace(data, columns);
  }

  constructor(data, columns) {
    this.data = data;
    this.values = columns.value;
    this.addresses = columns.spotAddress;
    this.offsets = columns.spotOffset; // in the region; where there is none, the address
    this.spot = columns.spot.low;
    this.spotSite = columns.spotSite.low;
    this.spotPlace = columns.spotPlace.low;
    this.placeRegion = columns.placeRegion.low;
    this.placeRegister = columns.placeRegister.low;
    this.placeLane = columns.placeLane.low;
    this.placeSpot = columns.placeSpot.low; // one of its spots
    this.count = this.spot.length;
    this.times = columns.time.sums();
    if (data.began) this.times = this.times.map((time) => time - data.began);
    this.sequences = columns.sequence.sums();
    this.wide = new Map(data.wide.map(([row, value, old]) => [row, [BigInt(value), old === null ? null : BigInt(old)]]));
    this.words = new Map(data.words.map(([spot, value, words]) => [`${spot}:${value}`, words]));
    this.noted = new Map();
    for (const note of data.notes) this.noted.set(note[0], [...(this.noted.get(note[0]) || []), note]);
    this.spots = this.spotSite.length;
    this.inOrder = this.times.every((time, i) => !i || this.times[i - 1] <= time);
    this._countPlaces();
  }

  /** Count reads and writes of each place, and note its last row. */
  _countPlaces() {
    const places = this.placeRegion.length;
    this.reads = new Uint32Array(places);
    this.writes = new Uint32Array(places);
    this.last = new Uint32Array(places);
    const directions = this.spotDirections();
    for (let row = 0; row < this.count; row++) {
      const spot = this.spot[row];
      const place = this.spotPlace[spot];
      this.reads[place] += directions[spot] & 1;
      this.writes[place] += directions[spot] >> 1;
      this.last[place] = row;
    }
  }

  /** By spot: 1 for a read, 2 for a write, 3 for an atomic, which is both. */
  spotDirections() {
    const letters = { R: 1, W: 2, RW: 3 };
    return Uint8Array.from(this.spotSite, (site) => letters[this.data.sites[site][1]]);
  }

  place(row) { return this.spotPlace[this.spot[row]]; }
  site(row) {
    const [thread, letter, width, code, notes, layout] = this.data.sites[this.spotSite[this.spot[row]]];
    return { thread, letter, width, code: this.code(code), notes, fields: this.data.layouts[layout] };
  }
  code(number) {
    const [ip, text, name, functions, module, line] = this.data.code[number];
    return { ip, text, name, functions, module, line };
  }
  value(row) { return this.wide.has(row) ? this.wide.get(row)[0] : this.values.at(row); }
  old(row) { return this.wide.has(row) ? this.wide.get(row)[1] : null; }
  address(row) { return this.addresses.at(this.spot[row]); }

  space(place) { return this.data.regions[this.placeRegion[place]][0]; }
  region(place) { return this.data.regions[this.placeRegion[place]][1]; }
  register(place) {
    return this.placeRegister[place] === NONE ? null : this.data.registers[this.placeRegister[place]];
  }

  /** The place in words, as `Access.place` in Python. */
  placeName(place) {
    const region = this.region(place), register = this.register(place);
    if (register !== null) return `${region}.${register}`;
    const at = hex(this.offsets.at(this.placeSpot[place]));
    return region === null ? (this.space(place) === "port" ? `port ${at}` : at) : `${region}+${at}`;
  }

  /** The value with all digits of its width; of an atomic what was read, too. */
  shown(row) {
    const digits = 2 * this.data.sites[this.spotSite[this.spot[row]]][2], old = this.old(row); // two each byte
    return `${old === null ? "" : `${hex(old, digits)} \u2192 `}${hex(this.value(row), digits)}`;
  }

  /** The fields of a value: [name, number, its name or "", msb, lsb] each. */
  fields(row) {
    const value = this.value(row);
    return this.site(row).fields.map(([name, msb, lsb, names]) => {
      const number = (value >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n);
      return [name, number, names[hex(number)] || "", msb, lsb];
    });
  }

  /** The fields that are not zero in words, as `Access.fields` in Python: "EN PSC=0x03 MODE=FAST". */
  worded(row) {
    const words = this.words.get(`${this.spot[row]}:${hex(this.values.at(row))}`);
    if (words) return words;
    return this.fields(row).filter(([, number]) => number).map(([name, number, named, msb, lsb]) => {
      const bits = msb - lsb + 1, text = named || (bits <= 3 ? `${number}` : hex(number, Math.ceil(bits / 4)));
      return bits === 1 && text === "1" ? name : `${name}=${text}`;
    }).join(" ");
  }

  /** Who made the access: function and source line, as far as they are known. */
  madeBy(row) {
    const { ip, name, line } = this.site(row).code;
    return [name || ip, line].filter(Boolean).join(" ");
  }
}
