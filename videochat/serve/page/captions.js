// What was noted, as a list that follows the playhead; a click plays the range.
import { byKindOrder, clock, el, kindName } from "/static/tools.js";

export class Captions {
  #all = [];
  #rows = [];
  #kind = "";
  #touched = 0;

  constructor(list, tabs, play) {
    this.list = list;
    this.tabs = tabs;
    this.play = play;
    for (const name of ["wheel", "touchmove", "keydown"]) {
      list.addEventListener(name, () => { this.#touched = Date.now(); }, { passive: true });
    }
    list.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row) play(Number(row.dataset.start), Number(row.dataset.end));
    });
  }

  open() {
    this.#kind = "";
    this.show([]);
  }

  show(captions) {
    this.#all = captions;
    const kinds = [...new Set(captions.map((one) => one.kind))].sort(byKindOrder);
    if (!kinds.includes(this.#kind)) this.#kind = ["speech", "ocr"].find((kind) => kinds.includes(kind)) ?? "";
    const tab = (kind, name) => {
      const button = el("button", { type: "button", textContent: name, aria: { pressed: String(kind === this.#kind) } });
      button.addEventListener("click", () => {
        this.#kind = kind;
        this.show(this.#all);
      });
      return button;
    };
    this.tabs.replaceChildren(...(kinds.length > 1 ? [tab("", "all"), ...kinds.map((kind) => tab(kind, kindName(kind)))] : []));
    this.#rows = captions
      .filter((one) => !this.#kind || one.kind === this.#kind)
      .slice(0, 5000)
      .map((one) => {
        const words = el("span", { textContent: one.text });
        if (!this.#kind) words.append(el("small", { textContent: kindName(one.kind) }));
        const row = el(
          "button",
          { type: "button", data: { start: one.start_seconds, end: one.end_seconds } },
          el("time", { textContent: clock(one.start_seconds) }),
          words,
        );
        return { ...one, row };
      });
    this.list.replaceChildren(...this.#rows.map(({ row }) => el("li", {}, row)));
    this.at(this.last ?? 0);
  }

  at(seconds) {
    this.last = seconds;
    let first = null;
    for (const { start_seconds: start, end_seconds: end, row } of this.#rows) {
      const now = start <= seconds && seconds < end;
      if (now !== row.classList.contains("now")) {
        row.classList.toggle("now", now);
        if (now) first ??= row;
      }
    }
    if (first && Date.now() - this.#touched > 4000) {
      this.list.scrollTop = first.offsetTop - this.list.clientHeight / 3;
    }
  }
}
