// Lanes by kind under the player, on the same seconds; a click seeks, the playhead moves along, and a mouse above a lane
// shows the picture and the words of that moment.
import { byKindOrder, clock, el, kindName } from "/static/tools.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

export class Timeline {
  #duration = 0;
  #pictures = null;
  #waiting = 0;

  constructor(root, seek) {
    this.root = root;
    this.seek = seek;
    this.picture = el("img", { alt: "" });
    this.picture.addEventListener("error", () => { this.picture.hidden = true; });
    this.picture.addEventListener("load", () => { this.picture.hidden = false; });
    this.words = el("span");
    this.peek = el("div", { id: "peek", hidden: true, aria: { hidden: "true" } }, this.picture, this.words);
    root.addEventListener("click", (event) => {
      const seconds = this.#seconds(event);
      if (seconds !== null) seek(seconds);
    });
    root.addEventListener("pointermove", (event) => this.#look(event));
    root.addEventListener("pointerleave", () => { this.peek.hidden = true; });
  }

  open(video) {
    this.#duration = video.duration_seconds;
    this.#pictures = video.playback?.media_type.startsWith("video") ? `/api/videos/${video.id}/picture` : null;
    this.picture.removeAttribute("src");
    this.picture.hidden = this.peek.hidden = true;
    this.root.replaceChildren();
  }

  #seconds(event) {
    const track = event.target.closest(".track");
    if (!track || !this.#duration) return null;
    const box = track.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * this.#duration;
  }

  #look(event) {
    const seconds = event.pointerType === "mouse" ? this.#seconds(event) : null;
    this.peek.hidden = seconds === null;
    if (seconds === null) return;
    const box = this.root.getBoundingClientRect(), half = this.peek.offsetWidth / 2;
    this.peek.style.left = `${Math.min(Math.max(event.clientX - box.left, half), box.width - half)}px`;
    this.words.textContent = `${clock(seconds)} ${event.target.dataset.words ?? ""}`;
    // Pictures that lie closer than a hand can point are one.
    const step = Math.max(this.#duration / 240, 0.5);
    const address = `${this.#pictures}?at=${(Math.round(seconds / step) * step).toFixed(1)}`;
    clearTimeout(this.#waiting);
    if (!this.#pictures || this.picture.getAttribute("src") === address) return;
    this.#waiting = setTimeout(() => { this.picture.src = address; }, 80);
  }

  show(captions) {
    const byKind = group(captions);
    const kinds = [...byKind.keys()].sort(byKindOrder);
    const lanes = kinds.map((kind) => {
      const track = el("div", { className: "track" });
      const marks = byKind.get(kind).slice(0, 4000).map((one) => {
        const mark = el("i", { data: { words: one.text } });
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
    const most = Math.max(Math.min(Math.floor(this.root.clientWidth / 80), 6), 1);
    const step = STEPS.find((one) => this.#duration / one <= most) ?? Math.ceil(this.#duration / most);
    for (let at = 0; at <= this.#duration; at += step) {
      const mark = el("span", { textContent: clock(at), className: at > 0.95 * this.#duration ? "last" : "" });
      mark.style.left = `${(at / this.#duration) * 100}%`;
      ruler.append(mark);
    }
    this.playhead = el("div", { id: "playhead", aria: { hidden: "true" } });
    this.scrub = el("input", { id: "scrub", type: "range", min: 0, max: this.#duration, step: 1, aria: { label: "Position" } });
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
    this.root.replaceChildren(...lanes, ruler, this.playhead, this.scrub, this.peek);
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
