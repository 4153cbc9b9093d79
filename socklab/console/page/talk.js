// One conversation.

import { post } from "./api.js";
import { bodyOf, composer } from "./compose.js";
import { el, setText, toast } from "./dom.js";
import { said, t } from "./i18n.js";
import { messageList } from "./messages.js";
import { follow, isOperator, standing, state, when } from "./state.js";
import { clock } from "./text.js";

/** The host of `127.0.0.1:3000`, `[::1]:3000`. */
const hostOf = (peer) => peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");

export function talk(place, key) {
  const messages = messageList(`conversation-${key.replace(/\W/g, "-")}`,
    t("Nothing yet. Messages are kept only while a page looks: what was said before that is not here."));
  const title = el("h1", {}, `#${key}`);
  const about = el("p", { class: "about" });
  const row = () => state.rows.get(key);
  const run = (name, body, done) => async () => {
    try {
      await post(name, body());
      toast(t(done));
    } catch (error) {
      toast(error.message, true);
    }
  };
  const what = () => ({ what: hostOf(row().peer) });
  const actions = el("div", { class: "bar" },
    el("button", { type: "button", onclick: run("close", () => ({ to: [key] }), "Closed") }, t("Close")),
    el("button", { type: "button", class: "danger", title: t("At once, losing what is owed; on TCP by RST"), onclick: run("close", () => ({ to: [key], reset: true }), "Closed") }, t("Reset")),
    el("button", { type: "button", onclick: run("rule", () => ({ kind: "mute", ...what() }), "Muted") }, t("Mute address")),
    el("button", { type: "button", class: "danger", onclick: run("rule", () => ({ kind: "ban", ...what() }), "Banned") }, t("Ban address")));
  const form = composer(async (message) => {
    const { faults } = await post("write", { to: [key], ...bodyOf(message) });
    if (faults.length) throw new Error(said(faults[0]));
  }, "Write");
  const canAct = isOperator() && !key.includes("/");
  place.append(el("a", { href: "#/connections", class: "back" }, `← ${t("Connections")}`), title, about,
    el("section", { class: "card talk" }, messages.bar, messages.list, canAct ? form : null), canAct ? actions : el("span"));

  function draw() {
    const now = row();
    if (!now) {
      setText(about, t("This conversation is no longer remembered."));
      return;
    }
    const isTogether = now.peer === "*";
    setText(title, `${now.service} #${key}`);
    setText(about, [now.transport, isTogether ? t("each datagram by itself") : now.peer, now.path, now.encoding,
      `${t("since")} ${clock(now.opened, 0)}`, now.by ? `${t("closed by")} ${standing(now)}` : t("open")].filter(Boolean).join(" · "));
    form.mayBeBinary(now.transport === "websocket");
    const isOver = Boolean(now.closed);
    for (const each of form.querySelectorAll("button, textarea")) each.disabled = isOver;
    actions.querySelectorAll("button").forEach((each, index) => (each.disabled = (isOver && index < 2) || (index > 1 && now.transport === "unix")));
  }

  const take = (message) => message.n > messages.last() && messages.take({ ...message, websocket: row()?.transport === "websocket" });
  const ends = [
    when("rows", draw),
    when("begun", () => follow(key)),
    when("messages", (told) => told.talk === key && told.messages.forEach(take)),
    when("message", (told) => told.talk === key && take(told)),
  ];
  draw();
  if (state.stream) follow(key);
  return () => {
    ends.forEach((end) => end());
    follow(null);
  };
}
