// The other parts of the report: what is said of one access, the registers, the differences, the notes.

/** Return a table of two columns: names and what they stand for; what is empty is left out. */
function listed(pairs) {
  const list = element("dl");
  for (const [name, text] of pairs) if (text) list.append(element("dt", { textContent: name }), element("dd", { textContent: text }));
  return list;
}

/** Return a table of fields with their bits, as a datasheet has them. */
function fieldTable(fields) {
  const body = element("tbody");
  for (const [name, number, named, msb, lsb] of fields) {
    body.append(element("tr", {},
      element("td", { className: "right", textContent: msb === lsb ? msb : `${msb}:${lsb}` }),
      element("td", { textContent: name }),
      element("td", { className: "right", textContent: number < 10n ? number : hex(number) }),
      element("td", { textContent: named })));
  }
  const head = element("tr", {}, ...["bits", "field", "value", ""].map((textContent) => element("th", { textContent, scope: "col" })));
  return element("table", { className: "fields" }, element("thead", {}, head), body);
}

/** Show all that is known of an access. */
function showDetail(holder, trace, row) {
  const { thread, letter, width, code, notes } = trace.site(row);
  const direction = { R: "read", W: "write", RW: "atomic read and write" }[letter];
  const place = trace.place(row), address = hex(trace.address(row));
  const noted = (trace.noted.get(row) || []).map(([, , kind, text]) => `${kind}: ${text}`);
  const fields = trace.fields(row), words = trace.worded(row);
  holder.replaceChildren(
    element("h2", { textContent: `${trace.placeName(place)} ${trace.shown(row)}` }),
    listed([
      ["access", `${direction} of ${width} byte${width === 1 ? "" : "s"}, number ${trace.sequences[row]}`],
      ["time", `${seconds(trace.times[row])} s${row ? ` (${duration(trace.times[row] - trace.times[row - 1])} after the one before)` : ""}`],
      ["address", trace.space(place) === "port" ? `port ${address}` : address],
      ["meaning", fields.length && !trace.words.size ? "" : words],
      ["function", [code.name, code.module && `(${code.module})`].filter(Boolean).join(" ")],
      ["source", code.line],
      ["instruction", [code.ip, code.text].filter(Boolean).join(": ")],
      ["thread", thread === "0" ? "" : thread],
      ["flags", notes],
      ["before it", noted.join("; ")],
    ]),
    ...(fields.length ? [fieldTable(fields)] : []));
}

/** The registers: how often each was read and written, and what it held last. */
class Registers {
  /** only(name): called to show the accesses to one place alone. */
  constructor(holder, trace, only) {
    this.trace = trace;
    this.order = Uint32Array.from(trace.reads, (_, place) => place);
    this.keys = {
      register: (a, b) => trace.placeLane[a] - trace.placeLane[b] || a - b,
      reads: (a, b) => trace.reads[b] - trace.reads[a],
      writes: (a, b) => trace.writes[b] - trace.writes[a],
      "last access": (a, b) => trace.last[a] - trace.last[b],
    };
    const list = element("div"), detail = element("aside", { aria: { live: "polite", label: "The chosen register" } });
    holder.append(element("div", { className: "beside" }, list, detail));
    const longest = Array.from({ length: Math.min(trace.reads.length, 1000) }, (_, place) => trace.placeName(place).length);
    const columns = [
      { title: "register", width: Math.min(Math.max(8, ...longest), 32), sort: true },
      { title: "reads", width: 9, right: true, sort: true }, { title: "writes", width: 9, right: true, sort: true },
      { title: "last value", width: 18 }, { title: "fields", wide: true },
      { title: "last access", width: 12, right: true, wide: true, sort: true },
    ];
    this.table = new Table(list, {
      label: "Registers", columns,
      cells: (n) => {
        const place = this.order[n], last = trace.last[place];
        return [trace.placeName(place), trace.reads[place].toLocaleString("en"), trace.writes[place].toLocaleString("en"),
          trace.shown(last), trace.worded(last), seconds(trace.times[last])];
      },
      chosen: (n) => {
        const place = this.order[n], button = element("button", { type: "button", textContent: "Show its accesses" });
        button.addEventListener("click", () => only(trace.placeName(place)));
        showDetail(detail, trace, trace.last[place]);
        detail.prepend(button);
      },
      sorted: (column) => this.sort(column.title),
    });
    this.sort("register");
  }

  sort(key) {
    this.order.sort(this.keys[key]);
    const direction = key === "reads" || key === "writes" ? "descending" : "ascending";
    this.table.columns.forEach((column, i) => {
      if (column.sort) this.table.headings[i].setAttribute("aria-sort", column.title === key ? direction : "none");
    });
    this.table.show(this.order.length);
  }
}

/** The differences to another trace. */
function showDifferences(holder, found, select) {
  const [mine, other] = found.names;
  holder.append(element("p", {}, found.headline),
    element("p", { className: "hint" },
      element("b", { className: "minus" }, "\u2212 "), `only in ${mine}; `, element("b", { className: "plus" }, "+ "),
      `only in ${other}${found.more ? "; the first rows are shown, pagetrap diff prints all" : ""}`));
  if (found.same) return null;
  const { rows } = found;
  const widths = found.columns.map((title, i) => rows.reduce((most, row) => Math.max(most, row[i].length), title.length));
  const used = widths.map((_, i) => i).filter((i) => rows.some((row) => row[i]));
  const list = element("div");
  holder.append(list);
  const table = new Table(list, {
    label: "Differences",
    columns: used.map((i) => ({
      title: found.columns[i], width: Math.min(widths[i], 34), right: [1, 2, 4].includes(i), wide: i === 1 || i === 2 || i > 6,
    })),
    cells: (n) => used.map((i) => [rows[n][i], { "-": "minus", "+": "plus" }[rows[n][0]] || ""]),
    chosen: (n) => rows[n][1] && select(Number(rows[n][1])),
  });
  table.show(rows.length);
  return table;
}

/** Marks, losses and what else is between the accesses. */
function showNotes(holder, trace, select) {
  const list = element("div"), { notes } = trace.data;
  holder.append(list);
  const table = new Table(list, {
    label: "Notes",
    columns: [{ title: "time", width: 12, right: true }, { title: "what", width: 10 }, { title: "text" }],
    cells: (n) => [seconds(notes[n][1]), notes[n][2].toLowerCase(), notes[n][3]],
    chosen: (n) => select(notes[n][0]),
  });
  table.show(notes.length);
  return table;
}
