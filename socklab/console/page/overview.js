// What is served, how it goes, what is near its limit, and who was not let in.

import uPlot from "./uplot.js";
import { el, patch } from "./dom.js";
import { said, t } from "./i18n.js";
import { clock, duration, size } from "./text.js";
import { quantile, state, when } from "./state.js";

const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((each) => each * 10 ** power));
const PLOTS = [
  { title: "Connections", series: [["open", "open"]], show: (value) => `${value}`, steps: WHOLE },
  { title: "Messages per second", series: [["received", "received"], ["sent", "sent"]], show: (value) => `${+value.toPrecision(3)}` },
  { title: "Bytes per second", series: [["receivedBytes", "received"], ["sentBytes", "sent"]], show: size, steps: Array.from({ length: 50 }, (_, power) => 2 ** power) },
  { title: "Latency", series: [["p50", "handling p50"], ["p99", "handling p99"], ["lag", "reactor p99"]], show: duration },
];

const DASHES = [[], [6, 4], [2, 3]]; // A line that lies on another one must not hide it.

/** What happened, to whom or by whom. */
function eventText({ kind, service, who, rule, code, values }) {
  if (kind === "done") return `${who.replace(/^\w+/, t)}: ${said({ code, values })}`;
  return [service, who, rule, said({ code, values })].filter(Boolean).join(" · ");
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function plot(place, { series, show, steps }) {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const colours = [colour("--one"), colour("--two"), colour("--three")];
  const isNarrow = place.clientWidth < 350;
  return new uPlot(
    {
      width: place.clientWidth,
      height: 150,
      legend: { live: false, markers: { fill: (self, index) => self.series[index].stroke(self, index), width: 0 } },
      cursor: { show: false },
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.15 : 1] } },
      axes: [
        { ...axis, size: 26, space: isNarrow ? 90 : 70, incrs: [1, 2, 5, 10, 15, 30, 60, 300], values: (_, ticks) => ticks.map((each) => clock(each, 0)) },
        { ...axis, size: 62, incrs: steps, values: (_, ticks) => ticks.map((each) => (each === 0 ? "0" : show(each))) },
      ],
      series: [{}, ...series.map(([, label], index) => ({ label: t(label), stroke: colours[index], width: 1.5, dash: DASHES[index], spanGaps: false, points: { show: false } }))],
    },
    [[], ...series.map(() => [])],
    place,
  );
}

export function overview(place) {
  const services = el("tbody");
  const limits = el("div", { class: "limits" });
  const refused = el("tbody");
  const events = el("ol", { class: "events", tabindex: 0, "aria-label": t("Events") });
  const none = el("p", { class: "soft" }, t("Nothing so far."));
  const lines = new Map();
  const plots = PLOTS.map((each) => ({ ...each, place: el("div", { class: "plot" }) }));
  place.append(
    el("h1", {}, t("Overview")),
    el("section", { class: "plots" }, plots.map((each) => el("figure", { class: "card" }, el("figcaption", {}, t(each.title)), each.place))),
    el("section", { class: "card" }, el("h2", {}, t("Services")),
      el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, ["Service", "Listener", "Connections", "Messages/s in", "out", "Bytes/s in", "out", "Handling p99"].map((each, index) => el("th", { class: index > 1 ? "number" : null }, t(each))))),
        services))),
    el("div", { class: "two" },
      el("section", { class: "card" }, el("h2", {}, t("Limits")), limits),
      el("section", { class: "card" }, el("h2", {}, t("Refused")), el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, el("th", {}, t("Service")), el("th", {}, t("Rule")), el("th", { class: "number" }, t("Times")))), refused)))),
    el("section", { class: "card" }, el("h2", {}, t("Events")), none, events),
  );

  function draw() {
    const { figures, history } = state;
    if (!figures) return;
    const times = history.map((each) => each.time);
    for (const each of plots) {
      each.plot ??= each.place.clientWidth ? plot(each.place, each) : null;
      each.plot?.setData([times, ...each.series.map(([name]) => history.map((point) => point[name]))]);
    }
    patch(services, state.lab.services.flatMap(servicesRows));
    patch(limits, figures.limits.map(limit));
    const rows = figures.counts.flatMap(({ service, transport, refused: rules }) =>
      Object.entries(rules).map(([rule, times]) => el("tr", {}, el("td", {}, `${service} ${transport}`), el("td", {}, el("code", {}, rule)), el("td", { class: "number" }, times.toLocaleString()))));
    patch(refused, rows.length ? rows : [el("tr", {}, el("td", { colspan: 3, class: "soft" }, t("Nobody, so far.")))]);
  }

  function drawEvents() {
    // Those that are there stay: a link may be focused.
    const seen = new Set(state.events.slice(0, 30));
    for (const each of [...seen].reverse()) {
      if (lines.has(each)) continue;
      lines.set(each, el("li", { class: each.kind },
        el("time", {}, clock(each.time, 0)),
        el("b", {}, t(each.kind)),
        el("span", {}, eventText(each), each.key && state.rows.has(each.key) ? [" ", el("a", { href: `#/talk/${each.key}` }, `#${each.key}`)] : null)));
      events.prepend(lines.get(each));
    }
    for (const [each, line] of lines) {
      if (!seen.has(each)) {
        line.remove();
        lines.delete(each);
      }
    }
    none.hidden = seen.size > 0;
  }

  const resized = new ResizeObserver(() => {
    for (const each of plots) each.plot?.setSize({ width: each.place.clientWidth, height: 150 });
  });
  for (const each of plots) resized.observe(each.place);
  const ends = [when("figures lab", draw), when("events", drawEvents)];
  const redraw = () => {
    for (const each of plots) {
      each.plot?.destroy();
      each.plot = null;
    }
    draw();
  };
  ends.push(when("theme", redraw));
  draw();
  drawEvents();
  return () => {
    ends.forEach((end) => end());
    resized.disconnect();
    for (const each of plots) each.plot?.destroy();
  };
}

function servicesRows(service) {
  const seen = new Set();
  return service.listeners.map(({ transport, where, encoding }, index) => {
    // What is counted is of a transport, whichever listener it came to.
    const isFirst = !seen.has(transport);
    seen.add(transport);
    const counts = state.figures.counts.find((each) => each.service === service.name && each.transport === transport);
    const rates = state.rates.get(`${service.name} ${transport}`);
    const numbers = counts
      ? [counts.open.toLocaleString(), rate(rates?.received), rate(rates?.sent), size(rates?.receivedBytes ?? 0), size(rates?.sentBytes ?? 0), duration(quantile(counts.handling, 0.99))]
      : ["", "", "", "", "", ""];
    return el("tr", { class: index ? null : "first" },
      el("td", {}, index ? "" : [el("b", {}, service.name), service.leaving ? ` (${t("its peers leave")})` : ""]),
      el("td", {}, el("span", { class: "tag" }, transport), ` ${where}${encoding === "utf-8" ? "" : ` · ${encoding}`}`),
      isFirst ? numbers.map((each) => el("td", { class: "number" }, each)) : el("td", { class: "soft number", colspan: 6 }, t("counted with the one above")));
  });
}

const rate = (value) => (value ? `${+value.toPrecision(3)}` : "0");

function limit({ name, now, most }) {
  const isMemory = /memory|pending/.test(name);
  const show = (value) => (isMemory ? size(value) : value.toLocaleString());
  const share = most ? now / most : 0;
  return el("div", { class: "limit" },
    el("span", {}, name),
    el("meter", { min: 0, max: 1, low: 0.7, high: 0.9, optimum: 0, value: share, "aria-label": name }),
    el("span", { class: "number" }, most ? `${show(now)} / ${show(most)}` : show(now)));
}
