// Lanes by kind under the player, on the same seconds; a click seeks, the playhead moves along.
import { byKindOrder, clock, el, kindName } from "/static/tools.js";

export class Timeline {
  #duration = 0;

  constructor(root, seek) {
    this.root = root;
    this.seek = seek;
    root.addEventListener("click", (event) => {
      const track = event.target.closest(".track");
      if (!track || !this.#duration) return;
      const box = track.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * this.#duration);
    });
  }

  open(duration) {
    this.#duration = duration;
    this.root.replaceChildren();
  }

  show(captions) {
    const byKind = group(captions);
    const kinds = [...byKind.keys()].sort(byKindOrder);
    const lanes = kinds.map((kind) => {
      const track = el("div", { className: "track" });
      const marks = byKind.get(kind).slice(0, 4000).map((one) => {
        const mark = el("i", { title: `${clock(one.start_seconds)} ${one.text}` });
        const left = (one.start_seconds / this.#duration) * 100;
        mark.style.left = `${left}%`;
        mark.style.width = `calc(${Math.min((one.end_seconds / this.#duration) * 100, 100) - left}% - 1px)`;
        return mark;
      });
      track.append(...marks);
      return el("div", { className: "lane", data: { kind } }, el("span", { textContent: kindName(kind) }), track);
    });
    if (!lanes.length) lanes.push(el("div", { className: "lane" }, el("span"), el("div", { className: "track" })));
    const ruler = el("div", { className: "ruler", aria: { hidden: "true" } });
    for (let i = 0; i <= 4; i++) ruler.append(el("span", { textContent: clock((this.#duration * i) / 4) }));
    this.playhead = el("div", { id: "playhead", aria: { hidden: "true" } });
    this.scrub = el("input", { id: "scrub", type: "range", min: 0, max: this.#duration, step: 1, aria: { label: "Position" } });
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.root.replaceChildren(...lanes, ruler, this.playhead, this.scrub);
    this.at(this.last ?? 0);
  }

  at(seconds) {
    this.last = seconds;
    if (!this.playhead || !this.#duration) return;
    const share = Math.min(seconds / this.#duration, 1);
    this.playhead.style.left = `calc(var(--label) + (100% - var(--label)) * ${share.toFixed(5)})`;
    if (document.activeElement !== this.scrub) this.scrub.value = seconds;
    this.scrub.setAttribute("aria-valuetext", clock(seconds));
  }
}

function group(captions) {
  const byKind = new Map();
  for (const one of captions) {
    if (!byKind.has(one.kind)) byKind.set(one.kind, []);
    byKind.get(one.kind).push(one);
  }
  return byKind;
}
