// The page: which video is open, what was noted of it, and what connects player, timeline, captions, chat and library.
import { get, clock } from "/static/tools.js";
import { Player } from "/static/player.js";
import { Timeline } from "/static/timeline.js";
import { Captions } from "/static/captions.js";
import { Chat } from "/static/chat.js";
import { Library } from "/static/library.js";

const $ = (selector) => document.querySelector(selector);
const player = new Player($("#player"), $("#player-note"));
const timeline = new Timeline($("#timeline"), (seconds) => player.seek(seconds));
const captions = new Captions($("#captions"), $("#kinds"), (start, end) => player.play(start, end));
const chat = new Chat($("#chat"), () => asked(), (moment) => show(moment.video, moment.start, moment.end));
const library = new Library($("#library"), $("#search"), $("#results"), (id, start, end) => show(id, start, end));

let current = null;
let known = -1;
let heard = 0;

function asked() {
  const ids = $("#all").checked ? library.videos.map((video) => video.id) : current ? [current] : [];
  const one = library.videos.length > 1 ? library.videos.find((video) => video.id === ids[0])?.name : "";
  return { ids, name: ids.length > 1 ? "all videos" : (one ?? "") };
}

async function open(id) {
  const video = await get(`/api/videos/${id}`);
  current = id;
  known = -1;
  heard = 0;
  $("#title").textContent = video.name;
  document.title = `${video.name} · videochat`;
  library.mark(id);
  player.open(video);
  timeline.open(video);
  captions.open();
  describe(video);
  await note(video);
}

async function note(video) {
  if (video.id !== current || video.captions === known) return;
  known = video.captions;
  const noted = (await get(`/api/videos/${video.id}/captions`)).captions;
  if (video.id !== current) return;
  timeline.show(noted);
  captions.show(noted);
  const said = noted.filter((one) => one.kind === "speech").length;
  if (said !== heard) player.subtitles();
  heard = said;
}

function describe(video) {
  const line = $("#watching");
  const at = `${clock(video.watched_seconds)} of ${clock(video.duration_seconds)}`;
  line.classList.toggle("live", video.state === "watching");
  line.classList.toggle("wrong", video.state === "failed" || video.state === "gone");
  line.textContent = {
    watching: `watching, ${at}`,
    waiting: "waiting to be watched",
    failed: video.problem,
    gone: video.problem,
  }[video.state] ?? `${video.captions.toLocaleString("en")} captions, ${clock(video.duration_seconds)}`;
}

async function show(id, start, end) {
  if (id !== current) await open(id);
  if (start !== undefined) player.play(start, end);
  if (!matchMedia("(min-width: 821px)").matches) $("#player").scrollIntoView({ block: "start" });
}

player.onTime = (seconds) => {
  timeline.at(seconds);
  captions.at(seconds);
};

library.onVideos = (videos) => {
  $("#all-label").hidden = videos.length < 2;
  const video = videos.find((one) => one.id === current);
  if (video) {
    describe(video);
    note(video);
  }
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, textarea, select, dialog");
  if (event.key === "Escape") {
    library.close();
    event.target.blur?.();
  } else if (typing) {
    return;
  } else if (event.key === "/") {
    event.preventDefault();
    $("#search-words").focus();
  } else if (event.key === " " && !event.target.closest("button, a, video, summary")) {
    event.preventDefault();
    player.toggle();
  } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !event.target.closest("video")) {
    event.preventDefault();
    player.seek(player.seconds + (event.key === "ArrowLeft" ? -5 : 5));
  }
});

const themes = ["", "dark", "light"];
function theme(name) {
  document.documentElement.dataset.theme = name;
  if (!name) delete document.documentElement.dataset.theme;
}
let chosen = localStorage.getItem("theme") ?? "";
theme(chosen);
$("#theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const shown = chosen || (dark ? "dark" : "light");
  chosen = shown === "dark" ? "light" : "dark";
  localStorage.setItem("theme", chosen);
  theme(themes.includes(chosen) ? chosen : "");
});
$("#library-toggle").addEventListener("click", () => library.toggle($("#library-toggle")));

// A link of a citation opens its video at its second: /?video=ID&t=42,47
await library.refresh();
const address = new URLSearchParams(location.search);
const wanted = library.videos.find((video) => video.id === address.get("video")) ?? library.videos[0];
if (wanted) {
  const [start, end] = (address.get("t") ?? "").split(",").map(Number);
  await open(wanted.id).catch((error) => { $("#title").textContent = error.message; });
  if (address.get("t") && Number.isFinite(start)) player.seek(start, end);
}
document.body.dataset.ready = "yes";
