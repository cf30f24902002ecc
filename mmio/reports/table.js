// A table of any number of rows, of which the browser holds those that are seen.

const MOST_PIXELS = 8e6; // browsers limit the height of an element: Firefox to 17.9 million pixels

/** Return an element with properties, attributes in `aria`, and children. */
function element(tag, properties = {}, ...children) {
  const { aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(name === "role" ? name : `aria-${name}`, value);
  made.append(...children);
  return made;
}

class Table {
  /**
   * holder: the element it goes into. label: its name for screen readers.
   * columns: {title, width (in characters), right, sort, wide (left out on narrow screens), least (left out first)} each.
   * cells(row): returns the texts of a row, or [text, class] pairs. chosen(row): called when a row is chosen.
   */
  constructor(holder, { label, columns, cells, chosen = () => {}, sorted = () => {} }) {
    this.label = label;
    this.cells = cells;
    this.chosen = chosen;
    this.columns = columns;
    this.count = 0;
    this.first = 0;
    this.selected = -1;
    this.body = element("tbody");
    this.headings = columns.map((column) => {
      const inside = column.sort ? element("button", { type: "button", textContent: column.title }) : column.title;
      if (column.sort) inside.addEventListener("click", () => sorted(column));
      return element("th", { className: this._class(column), scope: "col" }, inside);
    });
    const widths = columns.map((column) => {
      const col = element("col", { className: this._class(column) });
      if (column.width) col.style.width = `calc(${column.width}ch + 1.2em)`;
      return col;
    });
    this.table = element("table", { tabIndex: 0, aria: { role: "grid", label } },
      element("colgroup", {}, ...widths), element("thead", {}, element("tr", {}, ...this.headings)), this.body);
    this.space = element("div", { className: "space" }, this.table);
    this.scroller = element("div", { className: "scroller" }, this.space);
    holder.replaceChildren(this.scroller);
    this.scroller.addEventListener("scroll", () => this._soon());
    this.body.addEventListener("click", (event) => {
      const line = event.target.closest("tr");
      if (line) this.select(Number(line.dataset.row));
    });
    this.table.addEventListener("keydown", (event) => this._key(event));
    new ResizeObserver(() => this._soon()).observe(this.scroller);
  }

  /** Show so many rows, from the first one on, or as far down as before. */
  show(count, { keep = false } = {}) {
    this.count = count;
    this.table.setAttribute("aria-rowcount", count + 1);
    this.selected = -1;
    this._measure();
    if (!keep) this.scroller.scrollTop = 0;
    this.draw();
  }

  /** Choose a row and bring it into view. */
  select(row, { tell = true } = {}) {
    if (row < 0 || row >= this.count) return;
    this.selected = row;
    if (row < this.first || row >= this.first + this.visible) this.scrollTo(row - Math.floor(this.visible / 3));
    this.draw();
    if (tell) this.chosen(row);
  }

  scrollTo(row) {
    const last = Math.max(this.count - this.visible, 1);
    const share = Math.min(Math.max(row, 0) / last, 1);
    this.scroller.scrollTop = share * (this.space.offsetHeight - this.scroller.clientHeight);
    this.first = Math.round(share * last);
  }

  _class(column) {
    return [column.right && "right", column.wide && "wide", column.least && "least"].filter(Boolean).join(" ");
  }

  _soon() {
    if (!this.waiting) this.waiting = requestAnimationFrame(() => this.draw());
  }

  _measure() {
    this.rowHeight = this.body.firstChild?.offsetHeight || this.rowHeight || 24;
    const head = this.table.tHead.offsetHeight;
    this.visible = Math.max(1, Math.floor((this.scroller.clientHeight - head) / this.rowHeight));
    // Of many rows a pixel of the scroll bar stands for several.
    this.space.style.height = `${Math.min(this.count * this.rowHeight, MOST_PIXELS) + head}px`;
  }

  draw() {
    cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    this._measure();
    const path = this.space.offsetHeight - this.scroller.clientHeight;
    const last = Math.max(this.count - this.visible, 0);
    this.first = path > 0 ? Math.min(Math.round((this.scroller.scrollTop / path) * last), last) : 0;
    const end = Math.min(this.first + this.visible + 1, this.count);
    const lines = [];
    for (let row = this.first; row < end; row++) lines.push(this._line(row));
    this.body.replaceChildren(...lines);
    if (this.selected >= this.first && this.selected < end) {
      this.table.setAttribute("aria-activedescendant", `${this._prefix()}${this.selected}`);
    } else this.table.removeAttribute("aria-activedescendant");
  }

  _prefix() { return `${this.label.replace(/\W+/g, "-")}-`; }

  _line(row) {
    const line = element("tr", { id: `${this._prefix()}${row}`, aria: { rowindex: row + 2 } });
    line.dataset.row = row;
    if (row === this.selected) line.setAttribute("aria-selected", "true");
    this.cells(row).forEach((cell, i) => {
      const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
      line.append(element("td", { className: `${this._class(this.columns[i])} ${kind}`.trim(), textContent: text, title: text }));
    });
    return line;
  }

  _key(event) {
    if (event.target !== this.table || event.ctrlKey || event.altKey || event.metaKey) return;
    const from = this.selected < 0 ? this.first - 1 : this.selected;
    const to = {
      ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + this.visible, PageUp: from - this.visible,
      Home: 0, End: this.count - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.select(Math.min(Math.max(to, 0), this.count - 1));
  }
}
