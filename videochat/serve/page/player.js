// The player. What the browser cannot play comes as a stream of fragments that the server makes from any second on; its
// seconds are those of the file all the same.
export class Player {
  #end = Infinity;
  #stream = null;

  constructor(video, note) {
    this.video = video;
    this.note = note;
    this.onTime = () => {};
    video.addEventListener("timeupdate", () => this.#tick());
    video.addEventListener("seeking", () => this.#tick());
    video.addEventListener("seeked", () => { if (video.currentTime > this.#end + 0.5) this.#end = Infinity; });
    video.addEventListener("pause", () => { if (video.currentTime < this.#end - 0.3) this.#end = Infinity; });
    video.addEventListener("error", () => this.#failed());
    const each = () => {
      if (!video.paused) this.#tick();
      requestAnimationFrame(each);
    };
    requestAnimationFrame(each);
  }

  get seconds() {
    return this.video.currentTime;
  }

  open(video) {
    this.#stream?.close();
    this.#stream = null;
    this.#end = Infinity;
    this.shown = video;
    this.#say("");
    this.video.replaceChildren();
    if (!video.playback) {
      this.video.removeAttribute("src");
      this.video.load();
      this.#say(video.problem);
      return;
    }
    this.video.poster = video.playback.media_type.startsWith("audio") ? "" : `/api/videos/${video.id}/picture?at=0&size=large`;
    if (video.playback.way === "file") {
      this.video.src = `/media/${video.id}`;
    } else {
      const made = video.playback.way === "rewrapped" ? "re-wrapped" : "encoded anew";
      this.#say(`The browser cannot play ${video.playback.why}: it is ${made} while you watch.`);
      this.#start(video);
    }
  }

  // What is said comes later than the video, where that is being watched.
  subtitles() {
    const mode = this.video.textTracks[0]?.mode ?? "disabled";
    const track = document.createElement("track");
    const src = `/api/videos/${this.shown.id}/subtitles.vtt`;
    Object.assign(track, { kind: "captions", label: "what is said", src });
    this.video.replaceChildren(track);
    track.track.mode = mode;
  }

  seek(seconds, end) {
    const length = this.shown?.duration_seconds || Infinity;
    this.#end = Infinity;
    this.video.currentTime = Math.max(0, Math.min(seconds, length));
    if (end > seconds) this.#end = end;
    this.#tick();
  }

  play(start, end) {
    this.seek(start, Math.max(end ?? Infinity, start + 1));
    return this.video.play().catch(() => {});
  }

  toggle() {
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  #tick() {
    const now = this.video.currentTime;
    if (now >= this.#end && !this.video.paused) {
      this.#end = Infinity;
      this.video.pause();
    }
    this.onTime(now);
  }

  #start(video) {
    if (!window.MediaSource) {
      this.video.src = `/media/${video.id}/stream?from=0`;
      return;
    }
    this.#stream = new Stream(this.video, video, (sentence) => this.#say(sentence, true));
  }

  async #failed() {
    const video = this.shown;
    if (!video || !this.video.getAttribute("src") || this.#stream) return;
    const response = await fetch(`/media/${video.id}`, { headers: { range: "bytes=0-0" } }).catch(() => null);
    if (this.shown !== video) return;
    if (!response) return this.#say("The server does not answer; is it still running?", true);
    if (!response.ok) {
      const said = await response.json().catch(() => null);
      return this.#say(said?.error.message ?? `The server answered ${response.status}.`, true);
    }
    if (this.video.src.includes("/stream")) return this.#say("This browser cannot play the video.", true);
    this.#say("The browser cannot play this file: it is encoded anew while you watch.");
    this.#start(video);
  }

  #say(sentence, wrong = false) {
    this.note.textContent = sentence;
    this.note.hidden = !sentence;
    this.note.classList.toggle("wrong", wrong);
  }
}

const AHEAD_SECONDS = 40;

class Stream {
  #source = new MediaSource();
  #buffer = null;
  #running = null;

  constructor(element, video, fail) {
    Object.assign(this, { element, video, fail });
    this.seeking = () => this.#from(element.currentTime);
    this.address = URL.createObjectURL(this.#source);
    element.src = this.address;
    this.#source.addEventListener("sourceopen", () => {
      if (this.#buffer) return;
      this.#source.duration = video.duration_seconds;
      element.addEventListener("seeking", this.seeking);
      this.#from(element.currentTime, true);
    });
  }

  close() {
    this.#running?.abort();
    this.element.removeEventListener("seeking", this.seeking);
    URL.revokeObjectURL(this.address);
  }

  #has(seconds) {
    const ranges = this.element.buffered;
    for (let i = 0; i < ranges.length; i++) {
      if (ranges.start(i) - 0.1 <= seconds && seconds < ranges.end(i) - 0.1) return true;
    }
    return false;
  }

  async #from(seconds, first = false) {
    if (!first && this.#has(seconds)) return;
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    const on = () => !running.signal.aborted && this.#source.readyState !== "closed";
    try {
      const response = await fetch(`/media/${this.video.id}/stream?from=${seconds.toFixed(3)}`, { signal: running.signal });
      if (!response.ok) throw new Error((await response.json()).error.message);
      const start = Number(response.headers.get("playback-start"));
      let begun = false, head = new Uint8Array();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (!on()) return;
        if (done) break;
        let piece = value;
        if (!begun) {
          // What is in the file is said at its head, which may come in parts.
          head = piece = joined(head, value);
          const type = codecs(head);
          if (!type) continue;
          begun = true;
          if (!this.#buffer) this.#buffer = this.#source.addSourceBuffer(type);
          else await this.#idle();
          if (!on()) return;
          // What was read to its end is open again only with the next piece.
          if (this.#source.readyState === "open") this.#buffer.abort();
          this.#buffer.timestampOffset = start;
        }
        await this.#append(piece, on);
        while (on() && this.#ahead() > AHEAD_SECONDS) await new Promise((resolve) => setTimeout(resolve, 400));
        if (!on()) return;
      }
      await this.#idle();
      if (on() && this.#source.readyState === "open") this.#source.endOfStream();
    } catch (error) {
      if (on()) this.fail(error.message);
    } finally {
      running.abort();
    }
  }

  async #append(piece, on) {
    for (let tries = 0; on(); tries++) {
      await this.#idle();
      if (!on()) return;
      try {
        this.#buffer.appendBuffer(piece);
        return this.#idle();
      } catch (error) {
        if (error.name !== "QuotaExceededError" || tries > 50) throw error;
        const until = this.element.currentTime - 10;
        if (until > 0) this.#buffer.remove(0, until);
        else await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  #ahead() {
    const ranges = this.element.buffered, now = this.element.currentTime;
    for (let i = 0; i < ranges.length; i++) {
      if (ranges.start(i) - 0.2 <= now && now <= ranges.end(i)) return ranges.end(i) - now;
    }
    return 0;
  }

  #idle() {
    const buffer = this.#buffer;
    if (!buffer.updating) return Promise.resolve();
    return new Promise((resolve) => buffer.addEventListener("updateend", resolve, { once: true }));
  }
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function codecs(head) {
  const words = new TextDecoder("latin1").decode(head);
  if (!words.includes("mvex")) return null; // the last part of what describes the tracks
  const found = [];
  if (words.includes("avc1")) found.push("avc1.640028");
  if (words.includes("mp4a")) found.push("mp4a.40.2");
  return `${words.includes("avc1") ? "video" : "audio"}/mp4; codecs="${found.join(",")}"`;
}
