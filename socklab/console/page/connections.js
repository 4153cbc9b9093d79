// Who is there: a table of which only the rows that are seen exist.

import { post } from "./api.js";
import { bodyOf, composer } from "./compose.js";
import { el, setText, toast } from "./dom.js";
import { said, t } from "./i18n.js";
import { isOperator, standing, state, when } from "./state.js";
import { size, span } from "./text.js";

const HEIGHT = 34; // Pixels of a row, as in style.css.
const COLUMNS = [
  ["key", "#", (row) => row.key, "number"],
  ["service", "Service", (row) => row.service, ""],
  ["transport", "Transport", (row) => row.transport, "wide"],
  ["peer", "Peer", (row) => (row.peer === "*" ? t("each datagram by itself") : row.peer), "peer"],
  ["opened", "Since", (row) => span(Date.now() / 1000 - row.opened), "number wide"],
  ["received", "In", (row) => row.received.toLocaleString(), "number"],
  ["sent", "Out", (row) => row.sent.toLocaleString(), "number"],
  ["receivedBytes", "Bytes in", (row) => size(row.receivedBytes), "number wide"],
  ["sentBytes", "Bytes out", (row) => size(row.sentBytes), "number wide"],
  ["closed", "State", standing, "state"],
];
const settings = { sort: "key", down: true, filter: "", ended: false, top: 0, opened: null };
const selected = new Set();

export function connections(place) {
  const count = el("span", { class: "soft", role: "status" });
  const filter = el("input", { type: "search", placeholder: t("Filter: service, address, transport"), "aria-label": t("Filter"), value: settings.filter });
  const ended = el("input", { type: "checkbox" });
  ended.checked = settings.ended;
  const rows = el("div", { class: "rows", role: "presentation" });
  const empty = el("p", { class: "soft empty" }, t("Nobody is here."));
  const body = el("div", { class: "viewport", tabindex: 0, role: "rowgroup", "aria-label": t("Connections") }, rows);
  const elements = new Map();
  const heads = COLUMNS.map(([name, title, , kind]) =>
    el("span", { class: `cell ${kind}`, role: "columnheader" }, el("button", { type: "button", onclick: () => sortBy(name) }, t(title))));
  const all = el("input", { type: "checkbox", "aria-label": t("Select all that are shown") });
  const table = el("div", { role: "table", "aria-label": t("Connections") },
    el("div", { role: "rowgroup" },
      el("div", { class: "row head", role: "row" }, el("span", { class: "cell check", role: isOperator() ? "columnheader" : null }, isOperator() ? all : null), heads)),
    body);
  const hands = el("section", { class: "card hands" });
  place.append(
    el("h1", {}, t("Connections")),
    el("div", { class: "bar" }, filter, el("label", {}, ended, " ", t("ended too")), el("span", { class: "grow" }), count),
    el("div", { class: `grid card${isOperator() ? "" : " looks"}` }, table, empty),
    isOperator() ? hands : el("span"),
  );
  let shown = [];

  function choose() {
    const words = settings.filter.toLowerCase().split(/\s+/).filter(Boolean);
    shown = [];
    for (const row of state.rows.values()) {
      if (row.closed && !settings.ended) continue;
      if (words.length) {
        const text = `#${row.key} ${row.service} ${row.transport} ${row.peer} ${row.path} ${standing(row)}`.toLowerCase();
        if (!words.every((word) => text.includes(word))) continue;
      }
      shown.push(row);
    }
    const name = settings.sort;
    const sign = settings.down ? -1 : 1;
    const value = name === "key" ? (row) => Number(row.key) || 0 : (row) => row[name] ?? "";
    shown.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      return (a < b ? -1 : a > b ? 1 : Number(one.key) - Number(other.key)) * sign;
    });
    for (const key of selected) if (!state.rows.has(key) || state.rows.get(key).closed) selected.delete(key);
    draw();
  }

  function draw() {
    heads.forEach((head, index) => {
      const isSorted = COLUMNS[index][0] === settings.sort;
      head.setAttribute("aria-sort", isSorted ? (settings.down ? "descending" : "ascending") : "none");
    });
    count.textContent = `${shown.length.toLocaleString()} / ${state.rows.size.toLocaleString()}`;
    table.setAttribute("aria-rowcount", shown.length + 1);
    rows.style.height = `${shown.length * HEIGHT}px`;
    const first = Math.max(0, Math.floor(body.scrollTop / HEIGHT) - 5);
    const last = Math.min(shown.length, Math.ceil((body.scrollTop + body.clientHeight) / HEIGHT) + 5);
    const focused = document.activeElement?.dataset?.key;
    const onCheck = document.activeElement?.type === "checkbox";
    putRows(shown.slice(first, last), first);
    if (focused) rows.querySelector(`${onCheck ? "input" : "a"}[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    empty.hidden = shown.length > 0;
    drawHands();
  }

  /** Put rows where they are seen. Those that are there stay: one that was new at each look could not be clicked. */
  function putRows(seen, first) {
    const keys = new Set(seen.map((row) => row.key));
    for (const [key, element] of elements) {
      if (!keys.has(key)) {
        element.remove();
        elements.delete(key);
      }
    }
    seen.forEach((row, index) => {
      const element = elements.get(row.key) ?? rowOf(row.key);
      elements.set(row.key, element);
      if (rows.children[index] !== element) rows.insertBefore(element, rows.children[index] ?? null);
      update(element, row, first + index);
    });
  }

  function rowOf(key) {
    const check = el("input", { type: "checkbox", "data-key": key, "aria-label": `${t("Select")} ${key}` });
    check.addEventListener("change", () => {
      if (check.checked) selected.add(key);
      else selected.delete(key);
      drawHands();
    });
    const where = `#/talk/${encodeURIComponent(key)}`;
    const element = el("div", { role: "row" },
      el("span", { class: "cell check", role: isOperator() ? "cell" : null }, isOperator() ? check : null),
      COLUMNS.map(([name, , , kind]) => el("span", { class: `cell ${kind}`, role: "cell" }, name === "peer" ? el("a", { href: where, "data-key": key }) : null)));
    element.addEventListener("click", (event) => {
      if (!event.target.closest("input")) settings.opened = key;
      if (!event.target.closest("a, input")) location.hash = where;
    });
    return element;
  }

  function update(element, row, index) {
    element.className = row.closed ? "row ended" : "row";
    element.style.top = `${index * HEIGHT}px`;
    element.setAttribute("aria-rowindex", index + 2);
    const check = element.querySelector("input");
    if (check) {
      check.checked = selected.has(row.key);
      check.disabled = Boolean(row.closed) || row.peer === "*";
    }
    COLUMNS.forEach(([name, , show], at) => {
      const cell = element.children[at + 1];
      const text = String(show(row));
      setText(name === "peer" ? cell.firstChild : cell, text);
      // Those that may be cut off.
      if (name === "peer" || name === "closed") cell.title = text;
    });
  }

  function sortBy(name) {
    settings.down = settings.sort === name ? !settings.down : false;
    settings.sort = name;
    choose();
  }

  const to = () => [...selected];
  const title = el("h2");
  const form = composer(async (message) => {
    const { sent, faults } = await post("write", { to: to(), ...bodyOf(message) });
    toast(`${t("Written to")} ${sent}`);
    for (const fault of faults.slice(0, 3)) toast(`#${fault.key}: ${said(fault)}`, true);
  }, "Write");
  const act = (name, label, body, kind = "", title = "") => el("button", { type: "button", class: kind, title, onclick: async () => {
    try {
      const { closed } = await post(name, body());
      toast(`${t("Closed")}: ${closed}`);
    } catch (error) {
      toast(error.message, true);
    }
  } }, t(label));
  hands.append(title, form, el("div", { class: "bar" },
    act("close", "Close", () => ({ to: to() })),
    act("close", "Reset", () => ({ to: to(), reset: true }), "danger", t("At once, losing what is owed; on TCP by RST"))));

  function drawHands() {
    hands.hidden = !selected.size;
    form.mayBeBinary([...selected].some((key) => state.rows.get(key)?.transport === "websocket"));
    title.textContent = `${t("To the selected")}: ${selected.size.toLocaleString()}`;
    const open = shown.filter((row) => !row.closed && row.peer !== "*");
    all.checked = open.length > 0 && open.every((row) => selected.has(row.key));
  }

  filter.addEventListener("input", () => {
    settings.filter = filter.value;
    body.scrollTop = 0;
    choose();
  });
  ended.addEventListener("change", () => {
    settings.ended = ended.checked;
    choose();
  });
  all.addEventListener("change", () => {
    selected.clear();
    if (all.checked) for (const row of shown) if (!row.closed && row.peer !== "*") selected.add(row.key);
    draw();
  });
  body.addEventListener("scroll", draw, { passive: true });
  body.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    const at = shown.findIndex((row) => row.key === document.activeElement?.dataset?.key);
    const next = Math.min(shown.length - 1, Math.max(0, at + step));
    if (!shown.length) return;
    const [top, bottom] = [next * HEIGHT, (next + 1) * HEIGHT];
    if (top < body.scrollTop) body.scrollTop = top;
    else if (bottom > body.scrollTop + body.clientHeight) body.scrollTop = bottom - body.clientHeight;
    draw();
    rows.querySelector(`a[data-key="${CSS.escape(shown[next].key)}"]`)?.focus({ preventScroll: true });
  });
  let isDue = false;
  const end = when("rows begun figures", () => {
    if (!isDue) {
      isDue = true;
      requestAnimationFrame(() => {
        isDue = false;
        choose();
      });
    }
  });
  choose();
  body.scrollTop = settings.top;
  draw();
  if (settings.opened) rows.querySelector(`a[data-key="${CSS.escape(settings.opened)}"]`)?.focus({ preventScroll: true });
  settings.opened = null;
  return () => {
    settings.top = body.scrollTop;
    end();
  };
}
