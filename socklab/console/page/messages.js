// Messages as they come: time, way, size, text and hex side by side.

import { el } from "./dom.js";
import { t } from "./i18n.js";
import { clock, fromBase64, hex, parts, size } from "./text.js";

const MOST = 2000; // Messages that a list shows.
const ARROWS = { in: "←", out: "→", end: "⊣" };

/** A list of messages with its controls: follow, pause, search, clear, download; `hint` stands there while there are none. */
export function messageList(name, hint) {
  const list = el("ol", { class: "messages", tabindex: 0, "aria-label": t("Messages") });
  const search = el("input", { type: "search", placeholder: t("Search text or hex"), "aria-label": t("Search") });
  const followed = el("input", { type: "checkbox" });
  followed.checked = true;
  const pause = el("button", { type: "button", "aria-pressed": "false", onclick: togglePause }, t("Pause"));
  const note = el("span", { class: "soft", role: "status" });
  const empty = el("p", { class: "soft empty" }, hint);
  let messages = [];
  let waiting = [];
  let isPaused = false;

  function togglePause() {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? t("Go on") : t("Pause");
    if (!isPaused) {
      const held = waiting;
      waiting = [];
      held.forEach(show);
      scroll();
    }
    count();
  }

  const matches = (message) => {
    const wanted = search.value.toLowerCase();
    return !wanted || message.text.toLowerCase().includes(wanted) || message.hex.includes(wanted);
  };

  function show(message) {
    messages.push(message);
    message.element = elementOf(message);
    message.element.hidden = !matches(message);
    list.append(message.element);
    if (messages.length > MOST) messages.shift().element.remove();
  }

  function count() {
    empty.hidden = messages.length > 0;
    const found = messages.filter((each) => !each.element.hidden).length;
    note.textContent = (search.value ? `${found} / ${messages.length}` : `${messages.length}`) + (waiting.length ? ` (+${waiting.length})` : "");
  }

  function scroll() {
    if (followed.checked) list.scrollTop = list.scrollHeight;
  }

  let isDue = false;
  function take(message) {
    const known = { ...message, bytes: fromBase64(message.data) };
    known.hex = hex(known.bytes);
    if (isPaused) waiting.push(known);
    else show(known);
    if (waiting.length > MOST) waiting.shift();
    if (!isDue) {
      isDue = true;
      requestAnimationFrame(() => {
        isDue = false;
        count();
        scroll();
      });
    }
  }

  function clear() {
    messages = [];
    waiting = [];
    list.replaceChildren();
    count();
  }

  function download() {
    const lines = messages.map(({ time, way, size: bytes, text, hex: shown }) =>
      JSON.stringify({ time: new Date(time * 1000).toISOString(), way, bytes, text, hex: shown }));
    const link = el("a", { href: URL.createObjectURL(new Blob([lines.join("\n"), "\n"], { type: "application/x-ndjson" })), download: `${name}.jsonl` });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  search.addEventListener("input", () => {
    for (const each of messages) each.element.hidden = !matches(each);
    count();
    scroll();
  });
  // Who scrolls up wants to read; who comes back to the end wants what is new.
  const look = () => requestAnimationFrame(() => {
    followed.checked = list.scrollTop + list.clientHeight > list.scrollHeight - 30;
  });
  for (const way of ["wheel", "touchmove", "keydown"]) list.addEventListener(way, look, { passive: true });
  followed.addEventListener("change", scroll);
  const bar = el("div", { class: "bar" }, search, el("label", {}, followed, " ", t("follow")), pause,
    el("button", { type: "button", onclick: clear }, t("Clear")),
    el("button", { type: "button", onclick: download }, t("Download")), el("span", { class: "grow" }), note);
  return { bar, list: el("div", { class: "stage" }, list, empty), take, clear, last: () => Math.max(0, ...messages.map((each) => each.n ?? 0), ...waiting.map((each) => each.n ?? 0)) };
}

/** A text whose controls can be told from what only looks like them. */
function readable(text) {
  const found = parts(text);
  return found.map(([part, isControl], index) => {
    if (!isControl) return part;
    return [el("span", { class: "control" }, part), part === "\\n" && index < found.length - 1 ? el("br") : ""];
  }).flat();
}

function elementOf({ time, way, size: bytes, binary, text, hex: shown, bytes: kept, note, websocket }) {
  const isCut = kept.length < bytes;
  const what = note ?? (way === "end" ? t("the peer will send nothing more (FIN)") : [readable(text), isCut ? " …" : ""]);
  return el("li", { class: note ? "note" : way },
    el("span", { class: "meta" }, el("time", {}, clock(time)), el("b", { title: t(way) }, ARROWS[way] ?? "·"),
      note || way === "end" ? "" : [size(bytes), websocket ? ` ${t(binary ? "binary" : "text")}` : ""]),
    el("span", { class: "text" }, ...[what].flat(2)),
    el("span", { class: "hex" }, shown + (isCut ? " …" : "")));
}
