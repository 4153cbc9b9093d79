// All that the page knows, from the stream; the views look at it and hear when it has changed.

import { post, stream } from "./api.js";
import { said, t } from "./i18n.js";

const HISTORY = 300; // Seconds that the plots show.
const EVENTS = 300;

export const state = {
  role: null,
  stream: null,
  live: false,
  rows: new Map(),
  events: [],
  rules: [],
  lab: { services: [], bounds: [] },
  figures: null,
  history: [],
  rates: new Map(),
  lost: 0,
  moved: null,
};

/** How a conversation stands: open, or who has ended it, and how. */
export const standing = ({ by, why }) => (by ? `${t(by)}: ${said(why)}` : t("open"));

export const isOperator = () => state.role === "operator";

const bus = new EventTarget();

/** Call `listener` when one of some things has changed; give what ends that. */
export function when(names, listener) {
  const call = (event) => listener(event.detail);
  for (const name of names.split(" ")) bus.addEventListener(name, call);
  return () => {
    for (const name of names.split(" ")) bus.removeEventListener(name, call);
  };
}

export const changed = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));

function rowOf(columns, values) {
  const row = {};
  columns.forEach((name, index) => (row[name] = values[index]));
  return row;
}

let columns = [];

function takeRows(rows, gone = []) {
  for (const values of rows) {
    const row = rowOf(columns, values);
    state.rows.set(row.key, row);
  }
  for (const key of gone) state.rows.delete(key);
  changed("rows");
}

function take(told) {
  if (told.stream) {
    Object.assign(state, { role: told.role, stream: told.stream, live: true, moved: null, events: told.events.reverse() });
    columns = told.columns;
    state.rows.clear();
    state.figures = null;
    changed("begun");
    changed("live");
    changed("events");
  }
  if (told.rows) takeRows(told.rows, told.gone);
  if (told.rules) {
    state.rules = told.rules;
    changed("rules");
  }
  if (told.lab) {
    state.lab = told.lab;
    changed("lab");
  }
  if (told.figures) takeFigures(told.figures);
  if (told.event) {
    state.events.unshift(told.event);
    state.events.length = Math.min(state.events.length, EVENTS);
    changed("events");
  }
  if (told.moved) {
    state.moved = told.moved;
    changed("live");
  }
  if (told.lost) {
    state.lost += told.lost;
    changed("live");
  }
  if (told.messages) changed("messages", told);
  if (told.message) changed("message", told.message);
  if (told.client) changed("client", told.client);
}

/** The value below which a share of what was counted lies. */
export function quantile(counts, share) {
  const all = counts.reduce((sum, each) => sum + each, 0);
  if (!all) return null;
  let below = 0;
  for (let index = 0; index < counts.length; index += 1) {
    below += counts[index];
    if (below >= share * all) return state.lab.bounds[Math.min(index, state.lab.bounds.length - 1)];
  }
  return null;
}

const minus = (now, before) => now.map((each, index) => each - (before?.[index] ?? 0));
const plus = (one, other) => one.map((each, index) => each + (other?.[index] ?? 0));

function takeFigures(figures) {
  const before = state.figures;
  const seconds = before ? figures.time - before.time : 0;
  // The first may come a moment after those that all began with: a rate of so little would be chance.
  if (before && seconds < 0.5) return;
  state.figures = figures;
  if (before) {
    const sums = { open: 0, received: 0, sent: 0, receivedBytes: 0, sentBytes: 0 };
    let handling = figures.lag.map(() => 0);
    for (const each of figures.counts) {
      const old = before.counts.find(({ service, transport }) => service === each.service && transport === each.transport);
      const rate = (name) => Math.max(0, each[name] - (old?.[name] ?? 0)) / seconds;
      const rates = { handling: minus(each.handling, old?.handling) };
      for (const name of ["received", "sent", "receivedBytes", "sentBytes"]) {
        rates[name] = rate(name);
        sums[name] += rates[name];
      }
      sums.open += each.open;
      handling = plus(handling, rates.handling);
      state.rates.set(`${each.service} ${each.transport}`, rates);
    }
    state.history.push({
      time: figures.time,
      ...sums,
      p50: quantile(handling, 0.5),
      p99: quantile(handling, 0.99),
      lag: quantile(minus(figures.lag, before.lag), 0.99),
    });
    while (state.history[0].time < figures.time - HISTORY) state.history.shift();
  }
  changed("figures");
}

/** Listen to the server for ever; `out` is called when it asks for a token. */
export async function listen(out) {
  for (;;) {
    try {
      await stream(take);
    } catch (error) {
      if (error.status === 401) {
        out();
        return;
      }
    }
    state.live = false;
    changed("live");
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
}

/** Have the messages of one conversation told, from what is kept on; null: of none. */
export const follow = (talk) => post("follow", { stream: state.stream, talk }).catch(() => undefined);
