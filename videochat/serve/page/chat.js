// Questions and answers. Words appear as they come; the answer that counts is rendered by the server, whose citations
// are buttons.
import { el, sentence } from "/static/tools.js";

const IDEAS = ["What is this video about?", "What is said?", "What is written on the screen?"];

export class Chat {
  #conversation = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  #asking = null;
  #about = "";

  constructor(root, videos, show) {
    this.turns = root.querySelector("#turns");
    this.input = root.querySelector("#question");
    this.send = root.querySelector("#send");
    this.videos = videos;
    this.#hello();
    root.querySelector("#ask").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#asking) this.#asking.abort();
      else this.ask(this.input.value);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.ask(this.input.value);
      }
    });
    this.turns.addEventListener("click", (event) => {
      const moment = event.target.closest("[data-start]");
      if (moment) show({ video: moment.dataset.video, start: Number(moment.dataset.start), end: Number(moment.dataset.end) });
    });
  }

  #hello() {
    const ideas = IDEAS.map((idea) => {
      const button = el("button", { type: "button", textContent: idea });
      button.addEventListener("click", () => this.ask(idea));
      return button;
    });
    const words = "Ask in your own words. Every time in an answer plays the moment that it rests on.";
    this.turns.append(el("div", { className: "hello" }, el("p", { textContent: words }), el("div", { className: "ideas" }, ...ideas)));
  }

  async ask(text) {
    const question = text.trim();
    const { ids: videos, name } = this.videos();
    if (!question || this.#asking) return;
    const asking = (this.#asking = new AbortController());
    this.#label("■", "Stop");
    this.input.value = "";
    this.turns.querySelector(".hello")?.remove();
    const steps = el("div", { className: "steps" });
    const reply = el("div", { className: "reply thinking", aria: { busy: "true" } });
    const about = name === this.#about ? [] : [el("div", { className: "about small", textContent: name })];
    this.#about = name;
    this.turns.append(el("article", { className: "turn" }, ...about, el("div", { className: "asked", textContent: question }), steps, reply));
    this.#down();
    try {
      if (!videos.length) throw new Error("Add a video first.");
      const response = await fetch("/api/ask", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ question, videos, conversation: this.#conversation }),
        signal: asking.signal,
      });
      if (!response.ok) throw new Error(await sentence(response));
      for await (const event of lines(response.body)) this.#take(event, steps, reply);
    } catch (error) {
      const lost = error instanceof TypeError ? "The server does not answer; is it still running?" : error.message;
      this.#wrong(reply, asking.signal.aborted ? "Stopped." : lost);
    } finally {
      this.#asking = null;
      this.#label("↑", "Ask");
      reply.classList.remove("thinking");
      reply.removeAttribute("aria-busy");
      this.input.focus({ preventScroll: true });
    }
  }

  #take(event, steps, reply) {
    if (event.kind === "token") {
      reply.classList.remove("thinking");
      reply.append(event.text);
    } else if (event.kind === "again") {
      reply.textContent = "";
      reply.classList.add("thinking");
    } else if (event.kind === "step") {
      steps.textContent = event.error ?? `looked with ${event.tool.replaceAll("_", " ")}`;
    } else if (event.kind === "waiting") {
      steps.textContent = "waiting for the first that is noted";
    } else if (event.kind === "evidence") {
      steps.textContent = `reading ${event.captions} captions`;
    } else if (event.kind === "answer") {
      // Rendered and escaped by the server, the same as in a notebook.
      reply.innerHTML = event.html;
      reply.classList.add("done");
      steps.textContent = "";
    } else if (event.kind === "error") {
      this.#wrong(reply, event.message);
    }
    this.#down();
  }

  #label(sign, words) {
    this.send.querySelector("[aria-hidden]").textContent = sign;
    this.send.querySelector(".sr").textContent = words;
  }

  #wrong(reply, message) {
    reply.classList.add("wrong");
    reply.textContent = message;
  }

  #down() {
    this.turns.scrollTop = this.turns.scrollHeight;
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}
