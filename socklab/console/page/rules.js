// The operator's other hands: rooms, bans and mutes, the config.

import { post } from "./api.js";
import { el, toast } from "./dom.js";
import { t } from "./i18n.js";
import { isOperator, state, when } from "./state.js";

export function rules(place) {
  const rooms = el("select", { name: "room", "aria-label": t("Room") });
  const line = el("input", { name: "line", "aria-label": t("Line"), placeholder: t("A line, said as operator"), autocomplete: "off" });
  const none = el("p", { class: "soft" }, t("There are no rooms."));
  const list = el("ul", { class: "rule-list" });
  const kind = el("select", { name: "kind", "aria-label": t("Kind") }, el("option", { value: "ban" }, t("ban")), el("option", { value: "mute" }, t("mute")));
  const what = el("input", { name: "what", "aria-label": t("Address or network"), placeholder: "192.0.2.7, 10.0.0.0/8", required: true, autocomplete: "off" });
  const told = el("pre", { hidden: true });

  async function attempt(name, body, done) {
    try {
      const answer = await post(name, body);
      done(answer);
    } catch (error) {
      toast(error.message, true);
    }
  }

  const say = el("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    const [service, room] = JSON.parse(rooms.value);
    attempt("say", { service, room, text: line.value }, () => undefined);
    line.value = "";
  } }, rooms, line, el("button", { class: "main" }, t("Say")));
  const add = el("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    attempt("rule", { kind: kind.value, what: what.value.trim() }, () => undefined);
    what.value = "";
  } }, kind, what, el("button", { class: "main" }, t("Add")));

  place.append(el("h1", {}, t("Operator")),
    el("section", { class: "card" }, el("h2", {}, t("Rooms")), isOperator() ? [none, say] : el("p", { class: "soft" }, t("You may look, and do nothing."))),
    el("section", { class: "card" }, el("h2", {}, t("Bans and mutes")),
      el("p", { class: "soft" }, t("A ban holds for all services, and a mute for the chats, until it is removed or the server ends; a reload keeps them.")),
      list, isOperator() ? add : null),
    isOperator() ? el("section", { class: "card" }, el("h2", {}, t("Config")), el("p", { class: "soft" }, t("Read the config file again, as SIGHUP does: who is here stays.")),
      el("button", { type: "button", onclick: () => attempt("reload", {}, ({ lines }) => {
        told.hidden = false;
        told.textContent = lines.join("\n");
        told.scrollIntoView({ block: "nearest" });
      }) }, t("Reload")), told) : el("span"));

  function drawRooms() {
    const before = rooms.value;
    const found = state.lab.services.flatMap((service) => (service.rooms ?? []).map(([room, count]) =>
      el("option", { value: JSON.stringify([service.name, room]) }, `${service.name} / ${room} (${count})`)));
    rooms.replaceChildren(...found);
    if (found.some((each) => each.value === before)) rooms.value = before;
    say.hidden = !found.length;
    none.hidden = Boolean(found.length);
  }

  function drawRules() {
    const lines = state.rules.map((rule) => el("li", {}, el("span", { class: "tag" }, t(rule.kind)), " ", el("code", {}, rule.what), " ",
      isOperator() ? el("button", { type: "button", "aria-label": `${t("Remove")} ${rule.kind} ${rule.what}`, onclick: () => attempt("end-rule", rule, () => undefined) }, t("Remove")) : null));
    list.replaceChildren(...(lines.length ? lines : [el("li", { class: "soft" }, t("There are none."))]));
  }

  const ends = [when("lab", drawRooms), when("rules", drawRules)];
  drawRooms();
  drawRules();
  return () => ends.forEach((end) => end());
}
