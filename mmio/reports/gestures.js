// How the window of a timeline is moved and an access of it chosen: by keys, wheel, mouse and fingers.

function byKeys(timeline) {
  timeline.lanes.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const all = () => timeline.window(timeline.start, timeline.end);
    const act = {
      ArrowLeft: () => timeline.pan(-0.25), ArrowRight: () => timeline.pan(0.25),
      "+": () => timeline.zoom(0.5), "=": () => timeline.zoom(0.5), "-": () => timeline.zoom(2), 0: all, Home: all,
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** With Ctrl the wheel zooms where the pointer is, as a pinch of a touch pad does; sideways it moves. */
function byWheel(timeline) {
  timeline.lanes.addEventListener("wheel", (event) => {
    const x = event.clientX - timeline.canvas.getBoundingClientRect().left;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      timeline.zoom(2 ** (Math.sign(event.deltaY) * 0.5), timeline.time(Math.max(x, timeline.gutter)));
    } else if (event.deltaX || event.shiftKey) {
      event.preventDefault();
      timeline.pan((event.deltaX || event.deltaY) / 1000);
    }
  }, { passive: false });
}

/** Dragging over the strip chooses a window; a click moves the window there. */
function byStrip(timeline) {
  const strip = timeline.overview;
  const timeAt = (event) => {
    const box = strip.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    return timeline.start + share * (timeline.end - timeline.start);
  };
  let began = null;
  const isClick = (event) => Math.abs(event.clientX - began.x) < 3;
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    began = { x: event.clientX, time: timeAt(event) };
  });
  strip.addEventListener("pointermove", (event) => {
    if (!began || isClick(event)) return;
    const now = timeAt(event);
    timeline.window(Math.min(began.time, now), Math.max(began.time, now));
  });
  strip.addEventListener("pointerup", (event) => {
    if (began && isClick(event) && !timeline.whole) {
      const half = (timeline.to - timeline.from) / 2;
      timeline.window(began.time - half, began.time + half);
    }
    began = null;
  });
}

/** Dragging the lanes moves the window; two fingers zoom. */
function byFingers(timeline) {
  const { canvas } = timeline, fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event.clientX);
    timeline.moved = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const other = [...fingers].find(([id]) => id !== event.pointerId);
    const was = fingers.get(event.pointerId), by = event.clientX - was;
    if (!timeline.moved && !other && Math.abs(by) < 4) return; // a click that trembles
    timeline.moved = true;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event.clientX);
    if (!other) {
      timeline.window(timeline.from - by / timeline.scale, timeline.to - by / timeline.scale);
      return;
    }
    const apart = (x) => Math.max(Math.abs(x - other[1]), 1);
    const middle = (event.clientX + other[1]) / 2 - canvas.getBoundingClientRect().left;
    timeline.zoom(apart(was) / apart(event.clientX), timeline.time(middle));
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  }
}

/** Pointing at a mark tells what it is, a click chooses it, a double click zooms there. */
function byPointing(timeline) {
  const { canvas, tip, trace } = timeline;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("click", (event) => {
    const row = timeline.moved ? -1 : timeline.nearest(...at(event));
    if (row >= 0) timeline.chosen(row);
  });
  canvas.addEventListener("dblclick", (event) => timeline.zoom(0.25, timeline.time(at(event)[0])));
  canvas.addEventListener("pointermove", (event) => {
    const row = event.pointerType === "mouse" && !event.buttons ? timeline.nearest(...at(event)) : -1;
    tip.hidden = row < 0;
    if (row < 0) return;
    tip.textContent = [
      seconds(trace.times[row]), trace.site(row).letter, trace.placeName(trace.place(row)), trace.shown(row), trace.worded(row),
    ].join("  ");
    const box = tip.parentElement.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 12, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${event.clientY - box.top + 14}px`;
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
}
