// The frame: who you are, which view is shown, in which language and colours.

import { post } from "./api.js";
import { client } from "./client.js";
import { connections } from "./connections.js";
import { closeToasts, el, toast } from "./dom.js";
import { language, setLanguage, t } from "./i18n.js";
import { overview } from "./overview.js";
import { rules } from "./rules.js";
import { changed, listen, state, when } from "./state.js";
import { talk } from "./talk.js";

const VIEWS = { overview, connections, talk, rules, client };
const TABS = [["overview", "Overview"], ["connections", "Connections"], ["rules", "Operator"], ["client", "Client"]];
const THEMES = { auto: "◐", light: "☀", dark: "☾" };

/** Where this view is after a reload that has the console listen elsewhere. */
function elsewhere({ scheme, where }) {
  const at = where.lastIndexOf(":");
  const host = ["*", "127.0.0.1", "[::]", "[::1]"].includes(where.slice(0, at)) ? location.hostname : where.slice(0, at);
  return `${scheme}://${host}:${where.slice(at + 1)}/${location.hash}`;
}

let leave = () => undefined;

function setTheme(theme) {
  localStorage.setItem("theme", theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function frame() {
  const status = el("span", { class: "status", role: "status" });
  const tabs = TABS.map(([name, title]) => el("a", { href: `#/${name}`, "data-view": name }, t(title)));
  const theme = el("button", { class: "plain", title: t("Colours"), "aria-label": t("Colours"), onclick: () => {
    const names = Object.keys(THEMES);
    setTheme(names[(names.indexOf(localStorage.getItem("theme") ?? "auto") + 1) % names.length]);
    theme.textContent = THEMES[localStorage.getItem("theme")];
    changed("theme");
  } }, THEMES[localStorage.getItem("theme") ?? "auto"]);
  const switchTo = language === "ko" ? "en" : "ko";
  const tongue = el("button", { class: "plain", lang: switchTo, onclick: () => setLanguage(switchTo) }, switchTo === "ko" ? "한국어" : "English");
  const out = el("button", { class: "plain", onclick: async () => {
    await post("logout").catch(() => undefined);
    location.reload();
  } }, t("Leave"));
  const place = el("main", { id: "view", tabindex: -1 });
  document.body.replaceChildren(
    el("a", { href: "#view", class: "skip", onclick: (event) => {
      event.preventDefault();
      place.focus();
    } }, t("To the content")),
    el("header", {}, el("a", { href: "#/overview", class: "brand" }, "socklab"), el("nav", { "aria-label": t("Views") }, tabs), el("span", { class: "grow" }), status, theme, tongue, out),
    place,
    el("div", { id: "toasts" }),
  );

  function drawStatus() {
    const lost = state.lost ? ` · ${t("events lost")}: ${state.lost.toLocaleString()}` : "";
    status.textContent = state.live ? `${t(state.role ?? "")}${lost}` : t("no connection to the server");
    if (state.moved) status.append(" · ", el("a", { href: elsewhere(state.moved) }, t("The console has moved: go there")));
    status.className = state.live ? "status live" : "status";
  }

  function show() {
    const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
    const view = VIEWS[name] ? name : "overview";
    leave();
    place.replaceChildren();
    place.className = view;
    for (const tab of tabs) {
      const isHere = tab.dataset.view === (view === "talk" ? "connections" : view);
      if (isHere) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    leave = VIEWS[view](place, decodeURIComponent(rest.join("/")));
    scrollTo(0, 0);
  }

  function go() {
    show();
    // Who goes by keyboard goes on from here, and not from the top of the page.
    if (!place.contains(document.activeElement)) place.focus({ preventScroll: true });
  }

  when("live", drawStatus);
  drawStatus();
  // What may be done depends on who one is.
  const end = when("begun", () => {
    end();
    addEventListener("hashchange", go);
    show();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || closeToasts()) return;
    if (place.className === "talk" && !event.target.closest("input, select, textarea")) location.hash = "#/connections";
  });
  listen(() => location.reload());
}

function ask(why = "") {
  const token = el("input", { type: "password", name: "token", "aria-label": t("Token"), autocomplete: "off", required: true });
  const form = el("form", { class: "card ask", onsubmit: async (event) => {
    event.preventDefault();
    await enter(token.value.trim());
  } }, el("h1", {}, "socklab"), el("p", {}, t("The server's log says how to come in: a line with an address that ends in # and a token.")),
    el("div", { class: "bar" }, token, el("button", { class: "main" }, t("Come in"))), el("p", { class: "wrong", role: "alert" }, why));
  document.body.replaceChildren(form, el("div", { id: "toasts" }));
  token.focus();
}

async function enter(token) {
  try {
    await post("login", { token });
  } catch (error) {
    ask(error.message);
    return;
  }
  frame();
}

setTheme(localStorage.getItem("theme") ?? "auto");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => changed("theme"));
addEventListener("unhandledrejection", (event) => toast(String(event.reason?.message ?? event.reason), true));
const isToken = () => location.hash.length > 1 && !location.hash.startsWith("#/");
// Whoever pastes a link with a token where the page is open already comes in by it.
addEventListener("hashchange", () => isToken() && location.reload());
const fragment = location.hash.slice(1);
if (isToken()) {
  // It must be in no history, nor in a link that somebody copies.
  history.replaceState(null, "", "/");
  await enter(fragment);
} else {
  const known = await fetch("/api/session", { headers: { "X-Socklab": "1" } });
  if ((await known.json()).role) frame();
  else ask();
}
