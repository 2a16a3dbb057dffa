// The library: every video and how far it has been watched, search over all of them, and adding one.
import { clock, el, get } from "/static/tools.js";

export class Library {
  videos = [];
  #cards = new Map();
  #current = null;
  #searched = 0;

  constructor(root, search, results, open) {
    Object.assign(this, { root, results, open });
    this.list = root.querySelector("#videos");
    this.status = root.querySelector("#add-status");
    this.words = search.querySelector("input");
    this.onVideos = () => {};
    search.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    let wait = 0;
    this.words.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => this.#search(), 250);
    });
    // From the words down to what was found, and up again.
    search.addEventListener("keydown", (event) => this.#step(event));
    results.addEventListener("keydown", (event) => this.#step(event));
    document.addEventListener("click", (event) => {
      if (root.classList.contains("open") && !event.target.closest("#library, #library-toggle")) this.close();
    });
    this.#addFile(root.querySelector("#file"), root.querySelector("#drop"));
    const path = root.querySelector("#path");
    root.querySelector("#add-path").addEventListener("submit", async (event) => {
      event.preventDefault();
      await this.#added(get("/api/videos", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ path: path.value }),
      }));
      path.value = "";
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh(); });
  }

  async refresh() {
    clearTimeout(this.timer);
    let next = 4000;
    try {
      const data = await get("/api/videos");
      this.root.querySelector("#add-path").hidden = !data.folders.length;
      this.most = data.most_upload_bytes;
      this.videos = data.videos;
      this.#draw();
      this.onVideos(this.videos);
      if (this.videos.some((video) => video.state === "watching" || video.state === "waiting")) next = 600;
      if (this.status.dataset.lost) this.#say("");
    } catch (error) {
      this.#say(error.message, true);
      this.status.dataset.lost = "yes";
    }
    if (!document.hidden) this.timer = setTimeout(() => this.refresh(), next);
  }

  #draw() {
    for (const video of this.videos) {
      let card = this.#cards.get(video.id);
      if (!card) {
        const picture = el("img", { className: "thumb", alt: "", loading: "lazy" });
        picture.addEventListener("error", () => { picture.removeAttribute("src"); }, { once: true });
        picture.src = `/api/videos/${video.id}/picture?at=${(video.duration_seconds / 3).toFixed(1)}`;
        const state = el("span", { className: "small" });
        const bar = el("progress", { max: 1, aria: { label: "watched" } });
        const button = el("button", { type: "button", className: "card", data: { id: video.id } }, picture, el("span", {}, el("b", { textContent: video.name, title: video.name }), state, bar));
        button.addEventListener("click", () => {
          this.close();
          this.open(video.id);
        });
        const item = el("li", {}, button);
        card = { button, state, bar, item };
        this.#cards.set(video.id, card);
        this.list.append(item);
      }
      const live = video.state === "watching" || video.state === "waiting";
      card.state.textContent = { watching: `watching ${clock(video.watched_seconds)}`, waiting: "waiting", failed: "could not be watched", gone: "file is gone" }[video.state] ?? clock(video.duration_seconds);
      card.state.title = video.problem;
      card.bar.hidden = !live;
      card.bar.value = video.duration_seconds ? video.watched_seconds / video.duration_seconds : 0;
      card.button.dataset.state = video.state;
      card.button.setAttribute("aria-current", String(video.id === this.#current));
    }
  }

  mark(id) {
    this.#current = id;
    this.#draw();
  }

  toggle(button) {
    const open = this.root.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  }

  close() {
    this.root.classList.remove("open");
    document.querySelector("#library-toggle").setAttribute("aria-expanded", "false");
    this.results.hidden = true;
  }

  async #search() {
    const words = this.words.value.trim();
    const number = ++this.#searched;
    if (!words) {
      this.results.hidden = true;
      return;
    }
    let moments = [], problem = "";
    try {
      moments = (await get(`/api/search?q=${encodeURIComponent(words)}`)).moments;
    } catch (error) {
      problem = error.message;
    }
    if (number !== this.#searched) return;
    const close = el("button", { type: "button", className: "quiet", textContent: "close" });
    close.addEventListener("click", () => { this.results.hidden = true; });
    const said = problem || (moments.length ? `${moments.length} ${moments.length > 1 ? "moments" : "moment"} for “${words}”` : `Nothing noted has to do with “${words}”.`);
    const hits = moments.map((moment) => {
      const picture = el("img", { alt: "", loading: "lazy", src: `/api/videos/${moment.video_id}/picture?at=${((moment.start_seconds + moment.end_seconds) / 2).toFixed(1)}` });
      picture.addEventListener("error", () => { picture.removeAttribute("src"); }, { once: true });
      const where = `${moment.video}, ${clock(moment.start_seconds)}, ${moment.kind.replaceAll("_", " ")}`;
      const hit = el("button", { type: "button", className: "hit", data: { video: moment.video_id, start: moment.start_seconds } }, picture, el("span", {}, moment.text, el("small", { textContent: where })));
      hit.addEventListener("click", () => {
        this.results.hidden = true;
        this.open(moment.video_id, moment.start_seconds, moment.end_seconds);
      });
      return hit;
    });
    this.results.replaceChildren(el("header", {}, el("span", { textContent: said }), close), ...hits);
    this.results.hidden = false;
    this.results.scrollIntoView({ block: "nearest" });
  }

  #step(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const hits = [...this.results.querySelectorAll(".hit")];
    if (!by || this.results.hidden || !hits.length) return;
    event.preventDefault();
    event.stopPropagation();
    (hits[hits.indexOf(document.activeElement) + by] ?? (by > 0 ? hits.at(-1) : this.words)).focus();
  }

  #addFile(input, drop) {
    input.addEventListener("change", () => {
      if (input.files[0]) this.#upload(input.files[0]);
      input.value = "";
    });
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      document.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", name === "dragenter" || name === "dragover");
        const file = name === "drop" ? event.dataTransfer?.files[0] : null;
        if (file) this.#upload(file);
      });
    }
  }

  #upload(file) {
    if (file.size > this.most) {
      this.#say(`A file may have at most ${Math.round(this.most / 2 ** 20).toLocaleString("en")} MB here.`, true);
      return;
    }
    const bar = this.root.querySelector("#upload-progress");
    const request = new XMLHttpRequest();
    request.open("POST", `/api/upload?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    bar.hidden = false;
    bar.value = 0;
    this.#say(`sending ${file.name}`);
    request.upload.onprogress = (event) => { bar.value = event.loaded / (event.total || 1); };
    this.#added(new Promise((resolve, reject) => {
      request.onload = () => (request.status < 300 ? resolve(request.response) : reject(new Error(request.response?.error?.message ?? `The server answered ${request.status}.`)));
      request.onerror = () => reject(new Error("The file could not be sent."));
    })).finally(() => { bar.hidden = true; });
    request.send(file);
  }

  async #added(adding) {
    try {
      const video = await adding;
      this.#say("");
      await this.refresh();
      this.open(video.id);
    } catch (error) {
      this.#say(error.message, true);
    }
  }

  #say(text, wrong = false) {
    delete this.status.dataset.lost;
    this.status.textContent = text;
    this.status.classList.toggle("wrong", wrong);
  }
}
