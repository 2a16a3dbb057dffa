// What all parts use: requests whose errors are sentences, clock texts, elements.
export async function get(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  if (response.status === 401) askForToken();
  if (!response.ok) throw new Error(await sentence(response));
  return response.json();
}

function askForToken() {
  const dialog = document.querySelector("#token");
  if (dialog.open) return;
  dialog.querySelector("#refused").hidden = location.hash !== "#refused";
  // What the address names is opened once the token is right.
  const form = dialog.querySelector("form");
  for (const [name, value] of new URLSearchParams(location.search)) {
    form.append(el("input", { type: "hidden", name, value }));
  }
  dialog.showModal();
}

export async function sentence(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

export function clock(seconds) {
  const whole = Math.floor((seconds || 0) + 0.0005);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

export function el(tag, properties = {}, ...children) {
  const { data, aria, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data ?? {});
  for (const [name, value] of Object.entries(aria ?? {})) element.setAttribute(name === "role" ? name : `aria-${name}`, value);
  element.append(...children);
  return element;
}

export const kindName = (kind) => ({ ocr: "on screen", shot: "shots", measure: "light", objects: "things" })[kind] ?? kind.replaceAll("_", " ");

const ORDER = ["speech", "ocr", "sound", "objects", "action", "clip_caption", "dense_caption", "video_caption", "tags"];
const rank = (kind) => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length);
export const byKindOrder = (a, b) => rank(a) - rank(b) || b.localeCompare(a);
