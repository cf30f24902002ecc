// The page: reads the data, makes the parts, and keeps filter, timeline and table together.

class Report {
  static async open() {
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old: it has no DecompressionStream (of 2023)");
    return new Report(await Trace.read(document.getElementById("data").textContent));
  }

  constructor(trace) {
    this.trace = trace;
    this.tabs = [];
    this.form = document.getElementById("filter");
    this.counted = document.getElementById("count");
    this.detail = document.getElementById("detail");
    this._tab("accesses", "Accesses");
    this._tab("registers", "Registers");
    for (const [id, name] of [["coverage", "Coverage"], ["differences", "Differences"], ["notes", "Notes"]]) {
      const there = id === "coverage" ? document.getElementById(id) : id === "notes" ? trace.data.notes.length : trace.data.differences;
      if (there) this._tab(id, name);
    }
    document.getElementById("tabs").hidden = false;
    this.show("accesses");
    this.timeline = new Timeline(document.getElementById("timeline"), trace, {
      zoomed: () => this._narrow(), chosen: (row) => this.select(row),
    });
    this.table = this._accesses(document.getElementById("rows"));
    this._names();
    this._listen();
    this.filter();
  }

  _accesses(holder) {
    const { trace } = this, { sites } = trace.data;
    const most = (texts, least, limit) => Math.min(texts.reduce((longest, text) => Math.max(longest, text.length), least), limit);
    const places = Array.from({ length: Math.min(trace.reads.length, 1000) }, (_, place) => trace.placeName(place));
    const made = trace.data.code.map(([ip, , name, , , line]) => [name || ip, line].filter(Boolean).join(" "));
    const texts = trace.data.code.map(([, text]) => text);
    const fields = sites.some((site) => trace.data.layouts[site[5]].length) || trace.words.size;
    this.kinds = [
      ["number", { title: "#", width: String(trace.sequences.at(-1) ?? 0).length, right: true, least: true }, (row) => String(trace.sequences[row])],
      ["time", { title: "time", width: seconds(trace.times.at(-1) ?? 0).length, right: true }, (row) => seconds(trace.times[row])],
      ["direction", { title: "R/W", width: 4 }, (row) => [trace.site(row).letter, { R: "read", W: "write", RW: "both" }[trace.site(row).letter]]],
      ["width", { title: "width", width: 6, right: true, least: true }, (row) => String(trace.site(row).width)],
      ["register", { title: "register", width: most(places, 8, 30) }, (row) => trace.placeName(trace.place(row))],
      ["value", { title: "value", width: 2 + 2 * Math.min(sites.reduce((n, site) => Math.max(n, site[2]), 1), 8) }, (row) => trace.shown(row)],
      ...(fields ? [["fields", { title: "fields", wide: true }, (row) => trace.worded(row)]] : []),
      ...(made.some(Boolean) ? [["code", { title: "function and line", width: most(made, 8, 36), wide: true }, (row) => trace.madeBy(row)]] : []),
      ...(texts.some(Boolean) ? [["instruction", { title: "instruction", width: most(texts, 8, 30), least: true }, (row) => trace.site(row).code.text]] : []),
    ];
    return new Table(holder, {
      label: "Accesses",
      columns: this.kinds.map(([, column]) => column),
      cells: (n) => this.kinds.map(([, , cell]) => cell(this.rows[n])),
      chosen: (n) => this._chosen(this.rows[n]),
    });
  }

  /** Offer the names of places and functions where they are typed. */
  _names() {
    const { trace } = this;
    const offer = (id, found) => {
      const options = [...new Set(found)].slice(0, 1000).map((value) => element("option", { value }));
      document.getElementById(id).append(...options);
    };
    offer("places", Array.from({ length: Math.min(trace.reads.length, 5000) }, (_, place) => trace.placeName(place)));
    offer("functions", trace.data.code.flatMap(([, , , functions, module]) => [...functions, module]).filter(Boolean));
  }

  _listen() {
    let later = 0;
    const soon = (wait) => { clearTimeout(later); later = setTimeout(() => this.filter(), wait); };
    this.form.addEventListener("input", () => soon(this.trace.count > 1e5 ? 250 : 50)); // not at each key
    this.form.addEventListener("submit", (event) => { event.preventDefault(); soon(0); });
    this.form.addEventListener("reset", () => soon(0));
    const { more } = this.form.elements;
    more.addEventListener("click", () => more.setAttribute("aria-expanded", this.form.classList.toggle("more")));
  }

  /** Choose accesses by what the form says. */
  filter() {
    const wanted = Object.fromEntries(new FormData(this.form));
    try {
      this.wanted = filtered(this.trace, wanted);
    } catch (mistake) {
      if (!(mistake instanceof Mistake || mistake instanceof SyntaxError)) throw mistake;
      this.counted.textContent = mistake.message;
      this.counted.classList.add("wrong");
      return;
    }
    this.counted.classList.remove("wrong");
    this.timeline.rows(this.wanted);
    this._narrow();
  }

  /** Show in the table what the timeline shows: the accesses of its window. */
  _narrow() {
    if (!this.wanted) return;
    const { trace, timeline, wanted } = this, { times } = trace;
    if (timeline.whole) this.rows = wanted;
    else if (trace.inOrder) {
      const first = bisect(times, wanted, timeline.from, 0, wanted.length);
      this.rows = wanted.subarray(first, bisect(times, wanted, timeline.to + 1, first, wanted.length));
    } else this.rows = wanted.filter((row) => times[row] >= timeline.from && times[row] <= timeline.to);
    const number = (count) => count.toLocaleString("en");
    this.counted.textContent = `${number(this.rows.length)} of ${number(trace.count)} accesses${timeline.whole ? "" : " in this window of time"}`;
    this.table.show(this.rows.length);
    this._mark();
  }

  /** Choose the access of a row of the trace; the filter gives way if it is in the way. */
  select(row) {
    if (row < 0) return;
    this.show("accesses");
    let at = this._position(row);
    if (at < 0) {
      this.form.reset();
      this.timeline.window(this.timeline.start, this.timeline.end);
      this.filter();
      at = this._position(row);
    }
    this.table.select(at);
  }

  _position(row) {
    let low = 0, high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.rows[middle] < row) low = middle + 1;
      else high = middle;
    }
    return this.rows[low] === row ? low : -1;
  }

  _chosen(row) {
    this.timeline.selected = row;
    this.timeline.soon();
    showDetail(this.detail, this.trace, row);
    if (innerWidth < 960) this.detail.scrollIntoView({ block: "nearest" }); // it stands below the table there
  }

  /** Keep the chosen access when other rows are shown. */
  _mark() {
    const at = this.timeline.selected < 0 ? -1 : this._position(this.timeline.selected);
    if (at >= 0) this.table.select(at, { tell: false });
  }

  _tab(id, name) {
    const tab = element("button", { type: "button", id: `tab-${id}`, textContent: name, aria: { role: "tab", controls: id } });
    tab.addEventListener("click", () => this.show(id));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = this.tabs[(this.tabs.findIndex((other) => other.tab === tab) + step + this.tabs.length) % this.tabs.length];
      this.show(next.id);
      next.tab.focus();
    });
    document.getElementById("tabs").append(tab);
    document.getElementById(id).setAttribute("aria-labelledby", tab.id);
    this.tabs.push({ id, tab });
  }

  /** Show a part, which is made when it is first wanted. */
  show(id) {
    for (const other of this.tabs) {
      document.getElementById(other.id).hidden = other.id !== id;
      other.tab.setAttribute("aria-selected", other.id === id);
      other.tab.tabIndex = other.id === id ? 0 : -1;
    }
    const holder = document.getElementById(id), { trace } = this;
    const row = (sequence) => trace.sequences.indexOf(sequence);
    if (id === "registers") this.registers ??= new Registers(holder, trace, (name) => this.only(name));
    if (id === "differences") this.differences ??= showDifferences(holder, trace.data.differences, (sequence) => this.select(row(sequence))) ?? {};
    if (id === "notes") this.notes ??= showNotes(holder, trace, (at) => this.select(Math.min(at, trace.count - 1)));
  }

  /** Show the accesses to one place alone. */
  only(name) {
    this.form.reset();
    this.form.elements.only.value = name;
    this.show("accesses");
    this.filter();
  }
}

/** Wait until the browser has drawn what was asked for. */
const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

let report = null;
const opened = Report.open().then((made) => { report = made; document.body.classList.add("ready"); }, (error) => {
  const problem = document.getElementById("problem");
  problem.textContent = `The report cannot be shown: ${error.message}`;
  problem.hidden = false;
  throw error;
});
