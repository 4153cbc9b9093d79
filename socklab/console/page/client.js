// The client in the page: to this server's own services over WebSocket from here, else through the server.

import { post } from "./api.js";
import { composer } from "./compose.js";
import { el, toast } from "./dom.js";
import { said, t } from "./i18n.js";
import { messageList } from "./messages.js";
import { isOperator, state, when } from "./state.js";
import { decode, encode, fromBase64, toBase64 } from "./text.js";

const QUIET = 1500; // Milliseconds without an answer, until a one-shot closes.
const ENDS = { none: "", lf: "\n", crlf: "\r\n" };
const settings = { address: "", mode: "kept", end: "lf" };
let number = 0;

/** The address of a listener, as this browser or the server reaches it. */
function addressOf({ transport, where }) {
  if (transport === "unix") return `unix://${where}`;
  const port = where.slice(where.lastIndexOf(":") + 1);
  const host = where.slice(0, where.lastIndexOf(":"));
  if (transport === "ws" || transport === "wss") return `${transport}://${location.hostname}:${port}/`;
  return `${transport}://${host === "*" ? "127.0.0.1" : host}:${port}`;
}

/** Whether an address is that of a WebSocket service of this server: the page's policy allows no other. */
const isOurs = (address) => state.lab.services.some((service) => service.listeners.some((each) => address.startsWith(addressOf(each).slice(0, -1))));

/** A WebSocket of the browser's own. */
function overWebSocket(address, told) {
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  const take = (way, bytes, binary) =>
    told.message({ time: Date.now() / 1000, way, size: bytes.length, binary, text: decode(bytes), data: toBase64(bytes), websocket: true });
  socket.addEventListener("message", ({ data }) => {
    const isBinary = typeof data !== "string";
    take("in", isBinary ? new Uint8Array(data) : encode(data), isBinary);
  });
  const opened = new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve({}));
    socket.addEventListener("close", () => reject(new Error(t("There is no such service, or it does not let this page in."))));
  });
  opened.catch(() => undefined);
  socket.addEventListener("close", ({ code, reason, wasClean }) => told.ended(`${t("closed")}: ${code} ${reason}${wasClean ? "" : ` (${t("not cleanly")})`}`));
  return {
    opened,
    send({ bytes, binary }) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error(t("The connection is closed."));
      socket.send(binary ? bytes : decode(bytes));
      take("out", bytes, binary);
    },
    close: () => socket.close(1000),
  };
}

/** A connection that the server makes for the page. */
function throughServer(address, told) {
  const id = `${Date.now()}-${(number += 1)}`;
  const end = when("client", (what) => {
    if (what.id !== id) return;
    if (what.message) told.message(what.message);
    if (what.ended !== undefined) {
      end();
      told.ended(said(what.ended));
    }
  });
  const opened = post("client-open", { stream: state.stream, id, address });
  opened.catch(end);
  const body = { stream: state.stream, id };
  return {
    opened,
    send: ({ text, data }) => post("client-send", text === undefined ? { ...body, data } : { ...body, text }),
    close: () => post("client-close", body).catch(() => undefined),
  };
}

export function client(place, shared) {
  place.append(el("h1", {}, t("Client")));
  if (!isOperator()) {
    place.append(el("p", { class: "soft" }, t("You may look, and do nothing.")));
    return () => undefined;
  }
  const messages = messageList("client", t("What is sent, and what comes, stands here."));
  const address = el("input", { name: "address", list: "services", required: true, "aria-label": t("Address"), placeholder: "tcp://127.0.0.1:59000", autocomplete: "off", spellcheck: "false", value: settings.address });
  const services = el("datalist", { id: "services" });
  const pick = el("select", { name: "service", "aria-label": t("Service"), onchange: () => pick.value && setAddress(pick.value) });
  const mode = el("select", { name: "mode", "aria-label": t("Mode") }, el("option", { value: "kept" }, t("one connection, kept")), el("option", { value: "shot" }, t("a new connection for each")));
  const lineEnd = el("select", { name: "end", "aria-label": t("Line end") }, el("option", { value: "none" }, t("no line end")), el("option", { value: "lf" }, "LF (\\n)"), el("option", { value: "crlf" }, "CRLF (\\r\\n)"));
  mode.value = settings.mode;
  lineEnd.value = settings.end;
  const button = el("button", { type: "button", onclick: () => (current ? current.close() : open().catch((error) => toast(error.message, true))) });
  const form = composer(send);
  const name = el("input", { name: "name", "aria-label": t("Name"), placeholder: t("Name of this send"), autocomplete: "off" });
  const saves = el("ul", { class: "rule-list" });
  let current = null;

  const note = (text) => messages.take({ time: Date.now() / 1000, way: "note", size: 0, text: "", data: "", note: text });

  function setAddress(value) {
    if (value !== address.value) current?.close();
    address.value = value;
    lineEnd.value = /^(ws|wss|udp):/.test(value) ? "none" : "lf";
    remember();
  }

  function remember() {
    Object.assign(settings, { address: address.value, mode: mode.value, end: lineEnd.value });
    form.mayBeBinary(/^wss?:/.test(address.value));
  }

  async function open() {
    const where = address.value.trim();
    if (/^wss?:/.test(where) && !isOurs(where)) throw new Error(t("Over WebSocket this page reaches the services of this server only."));
    let quiet = 0;
    const connection = (/^wss?:/.test(where) ? overWebSocket : throughServer)(where, {
      message(message) {
        messages.take(message);
        if (connection.isShot) {
          clearTimeout(quiet);
          quiet = setTimeout(connection.close, QUIET);
        }
      },
      ended(why) {
        clearTimeout(quiet);
        note(why);
        if (current === connection) current = null;
        draw();
      },
    });
    const close = connection.close;
    connection.close = () => {
      close();
      if (current === connection) current = null;
      draw();
    };
    const { port, about } = await connection.opened;
    note([t("connected"), where, port ? `${t("from port")} ${port}` : "", ...Object.values(about ?? {})].filter(Boolean).join(" · "));
    if (mode.value === "shot") connection.isShot = true;
    else current = connection;
    draw();
    return connection;
  }

  async function send(message) {
    remember();
    if (!address.reportValidity()) throw new Error(t("Where to?"));
    const end = ENDS[lineEnd.value];
    const bytes = new Uint8Array([...message.bytes, ...encode(end)]);
    const whole = message.text === undefined ? { data: toBase64(bytes) } : { text: message.text + end };
    const connection = (mode.value === "kept" && current) || (await open());
    await connection.send({ ...whole, bytes, binary: message.binary });
  }

  function draw() {
    button.textContent = current ? t("Close") : t("Connect");
    button.hidden = mode.value === "shot" && !current;
  }

  // What is kept by name

  const kept = () => JSON.parse(localStorage.getItem("sends") ?? "{}");
  const now = () => ({ address: address.value, mode: mode.value, end: lineEnd.value, ...form.get() });
  const linkOf = (save) => `#/client/${toBase64(encode(JSON.stringify(save))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "")}`;

  function load(save) {
    if (save.address !== address.value) current?.close();
    address.value = String(save.address ?? "");
    mode.value = save.mode === "shot" ? "shot" : "kept";
    lineEnd.value = save.end in ENDS ? save.end : "none";
    form.set(save);
    remember();
    draw();
  }

  function drawSaves() {
    const sends = kept();
    const lines = Object.entries(sends).map(([key, save]) => el("li", {},
      el("button", { type: "button", onclick: () => load(save) }, key), " ", el("code", {}, save.address), " ",
      el("button", { type: "button", class: "plain", onclick: async () => {
        await navigator.clipboard?.writeText(new URL(linkOf(save), location.href).href);
        location.hash = linkOf(save);
        toast(t("The link is in the address bar, and copied."));
      } }, t("Share")),
      el("button", { type: "button", class: "plain", "aria-label": `${t("Remove")} ${key}`, onclick: () => {
        delete sends[key];
        localStorage.setItem("sends", JSON.stringify(sends));
        drawSaves();
      } }, t("Remove"))));
    saves.replaceChildren(...(lines.length ? lines : [el("li", { class: "soft" }, t("There are none."))]));
  }

  function drawServices() {
    const titles = state.lab.services.flatMap((service) => service.listeners.map((listener) => [addressOf(listener), `${service.name} ${listener.transport}${listener.encoding === "utf-8" ? "" : ` ${listener.encoding}`}`]));
    const found = [...new Map(titles)]; // WebSocket on 127.0.0.1 and on ::1 has one address here: that of the page's host.
    pick.replaceChildren(el("option", { value: "" }, t("A service of this server")), ...found.map(([value, title]) => el("option", { value }, `${title} · ${value}`)));
    services.replaceChildren(...found.map(([value, title]) => el("option", { value }, title)));
  }

  place.append(
    el("section", { class: "card talk" },
      el("div", { class: "bar" }, pick, address, services, mode, lineEnd, button),
      messages.bar, messages.list, form),
    el("section", { class: "card" }, el("h2", {}, t("Saved sends")), saves,
      el("form", { class: "bar", onsubmit: (event) => {
        event.preventDefault();
        localStorage.setItem("sends", JSON.stringify({ ...kept(), [name.value.trim() || address.value]: now() }));
        name.value = "";
        drawSaves();
      } }, name, el("button", {}, t("Save this one"))),
      el("p", { class: "soft" }, t("They are kept in this browser. A link fills in the form, and sends nothing by itself."))));
  address.addEventListener("change", () => setAddress(address.value));
  mode.addEventListener("change", () => {
    if (mode.value === "shot") current?.close();
    remember();
    draw();
  });
  lineEnd.addEventListener("change", remember);
  if (shared) {
    try {
      load(JSON.parse(decode(fromBase64(shared.replace(/-/g, "+").replace(/_/g, "/")))));
    } catch {
      toast(t("This link is damaged."), true);
    }
  }
  const end = when("lab", drawServices);
  drawServices();
  drawSaves();
  remember();
  draw();
  return () => {
    end();
    current?.close();
  };
}
