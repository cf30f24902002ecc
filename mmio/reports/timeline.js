// Timeline: a lane for each register, reads in its upper half, writes in its lower, the values where there is room for
// them. Whatever the number of accesses, only what a pixel can show is drawn: in each lane the next access beyond a
// pixel is found by bisection.

const LANE = 26; // pixels
const NAME = 14; // pixels of a lane's name above it, where there is no room beside it
const AXIS = 20;
const GAP = 4; // pixels between a mark and the value of the one before

/** Return the first index from `low` on, below `high`, at which `times` of `items` is not less than a time. */
function bisect(times, items, time, low, high) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[items[middle]] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

class Timeline {
  /** zoomed(): called when another window is shown. chosen(row): called when an access is chosen. */
  constructor(holder, trace, { zoomed, chosen }) {
    this.trace = trace;
    this.zoomed = zoomed;
    this.chosen = chosen;
    this.selected = -1;
    this.longest = trace.data.lanes.reduce((most, name) => Math.max(most, name.length), 0);
    this.start = trace.times.reduce((a, b) => Math.min(a, b), trace.times[0] ?? 0);
    this.end = trace.times.reduce((a, b) => Math.max(a, b), this.start + 1);
    this.from = this.start;
    this.to = this.end;
    this.order = Uint32Array.from(trace.spot, (_, row) => row);
    if (!trace.inOrder) this.order.sort((a, b) => trace.times[a] - trace.times[b]); // threads take their time themselves
    this._build(holder);
  }

  _build(holder) {
    const button = (text, name, act) => {
      const made = element("button", { type: "button", textContent: text, title: name, aria: { label: name } });
      made.addEventListener("click", act);
      return made;
    };
    this.range = element("output", { id: "window" });
    const tools = element("div", { className: "tools", aria: { role: "toolbar", label: "Window of the timeline" } },
      button("+", "Zoom in", () => this.zoom(0.5)), button("\u2212", "Zoom out", () => this.zoom(2)),
      button("\u2190", "Earlier", () => this.pan(-0.5)), button("\u2192", "Later", () => this.pan(0.5)),
      button("All", "Show all of the trace", () => this.window(this.start, this.end)), this.range,
      element("span", { className: "legend" },
        element("i", { className: "read" }), "reads ", element("i", { className: "write" }), "writes"));
    this.overview = element("canvas", { className: "overview", aria: { hidden: "true" } });
    this.canvas = element("canvas");
    this.tip = element("div", { className: "tip", hidden: true });
    this.space = element("div", { className: "space" }, this.canvas);
    this.lanes = element("div", { className: "lanes", tabIndex: 0, aria: {
      role: "group", label: "Timeline, a lane for each register: arrows move the window, plus and minus zoom, 0 shows all",
    } }, this.space);
    const hint = element("p", { className: "hint", textContent: "Drag over the strip to zoom there, drag the lanes to move, pinch or Ctrl with the wheel to zoom." });
    holder.replaceChildren(tools, this.overview, this.lanes, this.tip, hint);
    this.lanes.addEventListener("scroll", () => this.soon());
    byKeys(this);
    byWheel(this);
    byStrip(this);
    byFingers(this);
    byPointing(this);
    new ResizeObserver(() => this.soon()).observe(holder);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.soon());
  }

  /** Show these rows, in lanes that have any. */
  rows(rows) {
    const { trace, order } = this;
    const wanted = rows.length < trace.count ? new Uint8Array(trace.count) : null;
    if (wanted) for (const row of rows) wanted[row] = 1;
    const directions = trace.spotDirections();
    const lane = Uint32Array.from(trace.spotPlace, (place) => trace.placeLane[place]);
    // Sort by counting: first how many marks a lane has in each direction, then where these are.
    const starts = new Uint32Array(2 * trace.data.lanes.length + 1);
    const each = (act) => {
      for (const row of order) {
        if (wanted && !wanted[row]) continue;
        const spot = trace.spot[row];
        if (directions[spot] & 1) act(2 * lane[spot], row);
        if (directions[spot] & 2) act(2 * lane[spot] + 1, row);
      }
    };
    each((half) => starts[half + 1]++);
    for (let half = 1; half < starts.length; half++) starts[half] += starts[half - 1];
    this.items = new Uint32Array(starts[starts.length - 1]);
    const next = starts.slice();
    each((half, row) => { this.items[next[half]++] = row; });
    this.starts = starts;
    this.shown = trace.data.lanes.map((_, n) => n).filter((n) => starts[2 * n] < starts[2 * n + 2]);
    this._count();
    this.soon();
  }

  /** Count reads and writes in a thousand stretches of time, for the overview. */
  _count() {
    const bins = 1000, scale = bins / (this.end - this.start + 1);
    this.bins = [new Uint32Array(bins), new Uint32Array(bins)];
    for (let half = 0; half + 1 < this.starts.length; half++) {
      const counts = this.bins[half % 2];
      for (let i = this.starts[half]; i < this.starts[half + 1]; i++) {
        counts[Math.floor((this.trace.times[this.items[i]] - this.start) * scale)]++;
      }
    }
    this.most = this.bins.map((counts) => counts.reduce((a, b) => Math.max(a, b), 1));
  }

  /** Show a window of time. */
  window(from, to) {
    const length = Math.min(Math.max(to - from, 10), this.end - this.start);
    this.from = Math.min(Math.max(from, this.start), this.end - length);
    this.to = this.from + length;
    this.soon();
    this.zoomed();
  }
  zoom(factor, at = (this.from + this.to) / 2) {
    this.window(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }
  pan(share) {
    const by = (this.to - this.from) * share;
    this.window(this.from + by, this.to + by);
  }
  get whole() { return this.from <= this.start && this.to >= this.end; }

  soon() {
    if (!this.waiting) this.waiting = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.waiting = 0;
    if (!this.items || !this.lanes.clientWidth) return;
    const style = getComputedStyle(this.lanes);
    const names = ["read", "write", "fore", "dim", "stripe", "mark"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.space.style.height = `${this.shown.length * this.laneHeight + AXIS}px`;
    this._drawOverview();
    this._drawLanes();
    const length = this.to - this.from;
    this.range.textContent = this.trace.count
      ? `${seconds(this.from)} to ${seconds(this.to)} s${this.whole ? "" : ` (${duration(length)})`}` : "";
  }

  _prepared(canvas, width, height) {
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    return context;
  }

  /** The strip of the whole trace, above the lanes and as wide as their marks; what lies outside the window is dim. */
  _drawOverview() {
    const { gutter } = this, width = this.lanes.clientWidth - gutter, height = 40;
    const context = this._prepared(this.overview, width, height);
    const { read, write, mark, stripe } = this.colours;
    this.overview.style.marginLeft = `${gutter}px`;
    const step = width / this.bins[0].length;
    this.bins.forEach((counts, direction) => {
      context.fillStyle = direction ? write : read;
      counts.forEach((count, bin) => {
        if (!count) return;
        const tall = Math.max(2, Math.sqrt(count / this.most[direction]) * (height / 2 - 1));
        context.fillRect(bin * step, direction ? height / 2 : height / 2 - tall, Math.max(step, 1), tall);
      });
    });
    if (this.whole) return;
    const scale = width / (this.end - this.start);
    const left = (this.from - this.start) * scale, right = Math.max((this.to - this.start) * scale, left + 2);
    context.fillStyle = stripe;
    context.globalAlpha = 0.7;
    context.fillRect(0, 0, left, height);
    context.fillRect(right, 0, width - right, height);
    context.globalAlpha = 1;
    context.fillStyle = mark;
    context.fillRect(left - 2, 0, 2, height);
    context.fillRect(right, 0, 2, height);
  }

  /** The width of the names: none on narrow screens, where each stands in its lane. */
  get gutter() {
    const width = this.lanes.clientWidth;
    return width < 600 ? 0 : Math.min(7 * this.longest + 14, Math.ceil(width * 0.25));
  }

  get laneHeight() { return this.gutter ? LANE : LANE + NAME; }

  x(time) { return this.gutter + (time - this.from) * this.scale; }
  time(x) { return this.from + (x - this.gutter) / this.scale; }

  _drawLanes() {
    const { clientWidth: width, clientHeight: height, scrollTop: top } = this.lanes;
    const context = this.context = this._prepared(this.canvas, width, height);
    this.scale = (width - this.gutter) / (this.to - this.from);
    context.font = "11px ui-monospace, monospace";
    context.textBaseline = "middle";
    const tall = this.laneHeight;
    const first = Math.floor(top / tall), last = Math.min(this.shown.length, Math.ceil((top + height) / tall));
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height - AXIS);
    context.clip();
    for (let n = first; n < last; n++) this._drawLane(n, n * tall - top, width);
    context.restore();
    this._drawNotes(height);
    this._drawAxis(width, height);
  }

  _drawLane(n, top, width) {
    const { context, colours, gutter } = this;
    const lane = this.shown[n], y = top + this.laneHeight - LANE;
    if (n % 2 === 0) {
      context.fillStyle = colours.stripe;
      context.fillRect(0, top, width, this.laneHeight);
    }
    context.save();
    context.beginPath();
    context.rect(gutter, y, width - gutter, LANE);
    context.clip();
    for (const direction of [0, 1]) this._drawMarks(2 * lane + direction, y + 2 + direction * (LANE / 2 - 2), LANE / 2 - 2, direction);
    context.restore();
    context.fillStyle = gutter ? colours.fore : colours.dim;
    const name = this._fitted(this.trace.data.lanes[lane], gutter ? gutter - 12 : width - 8);
    context.fillText(name, 4, gutter ? y + LANE / 2 : top + NAME / 2 + 1);
  }

  /** Cut a name at its beginning, where the region's is, which its neighbours have as well. */
  _fitted(name, width) {
    const most = Math.floor(width / this.context.measureText("0").width);
    return name.length <= most ? name : `\u2026${name.slice(1 - most)}`;
  }

  _drawMarks(half, y, height, direction) {
    const { context, items, colours } = this, { times } = this.trace;
    let i = bisect(times, items, this.from, this.starts[half], this.starts[half + 1]);
    const end = bisect(times, items, this.to + 1, i, this.starts[half + 1]);
    const roomy = end - i <= 400;
    context.fillStyle = direction ? colours.write : colours.read;
    let from = -1, until = -1; // of the bar that is being joined, in pixels
    const close = () => { if (until > from) context.fillRect(from, y, until - from, height); };
    while (i < end) {
      const x = Math.floor(this.x(times[items[i]]));
      if (x > until) { close(); from = x; }
      until = x + (roomy ? 2 : 1);
      if (roomy) this._drawValue(half, i, x, y + height / 2, end);
      i = roomy ? i + 1 : bisect(times, items, this.time(x + 1), i + 1, end);
    }
    close();
  }

  /** Write the value beside a mark, if there is room before the next one. */
  _drawValue(half, i, x, y, end) {
    const next = i + 1 < end ? this.x(this.trace.times[this.items[i + 1]]) : Infinity;
    if (next - x < 24) return;
    const text = hex(this.trace.value(this.items[i]));
    if (x + 3 + this.context.measureText(text).width + GAP < next) this.context.fillText(text, x + 3 + 1, y + 0.5);
  }

  /** Marks and losses of the trace, and the chosen access, as lines across all lanes. */
  _drawNotes(height) {
    const { context, colours, gutter } = this, { times, data } = this.trace;
    const line = (time, colour, dash) => {
      const x = this.x(time);
      if (x < gutter || x > this.lanes.clientWidth) return;
      context.strokeStyle = colour;
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(x + 0.5, 0);
      context.lineTo(x + 0.5, height - AXIS);
      context.stroke();
      context.setLineDash([]);
    };
    for (const [, time] of data.notes) line(time, colours.dim, [3, 3]);
    if (this.selected >= 0) line(times[this.selected], colours.mark, []);
  }

  _drawAxis(width, height) {
    const { context, colours, gutter } = this;
    context.fillStyle = colours.stripe;
    context.fillRect(0, height - AXIS, width, AXIS);
    context.fillStyle = colours.dim;
    const rough = (100 / this.scale) || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough));
    for (let time = Math.ceil(this.from / step) * step; time <= this.to; time += step) {
      const x = this.x(time);
      context.fillRect(x, height - AXIS, 1, 4);
      const [scale, unit] = step >= 1e6 ? [1e9, "s"] : step >= 1e3 ? [1e6, "ms"] : [1e3, "\u00b5s"];
      const text = `${+(time / scale).toFixed(6)} ${unit}`;
      const wide = context.measureText(text).width;
      if (x + 3 + wide < width) context.fillText(text, Math.max(x + 3, gutter), height - AXIS / 2 + 1);
    }
  }

  /** The access that is nearest to a point of the canvas, or -1. */
  nearest(x, y) {
    const n = Math.floor((y + this.lanes.scrollTop) / this.laneHeight);
    if (n >= this.shown.length || x < this.gutter || y > this.lanes.clientHeight - AXIS) return -1;
    const { times } = this.trace;
    let found = -1, distance = 9;
    const below = ((y + this.lanes.scrollTop) % this.laneHeight) >= this.laneHeight - LANE / 2;
    const within = below ? [1, 0] : [0, 1];
    for (const direction of within) {
      const half = 2 * this.shown[n] + direction;
      const at = bisect(times, this.items, this.time(x), this.starts[half], this.starts[half + 1]);
      for (const i of [at - 1, at]) {
        if (i < this.starts[half] || i >= this.starts[half + 1]) continue;
        const off = Math.abs(this.x(times[this.items[i]]) - x) + (direction === within[0] ? 0 : 3);
        if (off < distance) [found, distance] = [this.items[i], off];
      }
    }
    return found;
  }
}
