// What the operator, or the client in the page, is about to send.

import { el, toast } from "./dom.js";
import { t } from "./i18n.js";
import { encode, parseEscapes, parseHex, toBase64 } from "./text.js";

const FORMS = ["text", "escapes", "hex", "file"];
const HINTS = { text: "Text, in the peer's encoding", escapes: "Hello\\r\\n \\x00 \\u{c548}", hex: "48 65 6c 6c 6f", file: "" };

/** A form that gives what was written to `send`, as `{text}` or `{data, bytes, binary}`; it is emptied if that does not throw. */
export function composer(send, label = "Send") {
  const kind = el("select", { "aria-label": t("Form"), name: "form" }, FORMS.map((each) => el("option", { value: each }, t(each))));
  const input = el("textarea", { rows: 2, name: "text", "aria-label": t("Message"), placeholder: t(HINTS.text), spellcheck: "false" });
  const file = el("input", { type: "file", name: "file", "aria-label": t("file"), hidden: true });
  const binary = el("input", { type: "checkbox", name: "binary" });
  const button = el("button", { type: "submit", class: "main" }, t(label));
  kind.addEventListener("change", () => {
    file.hidden = kind.value !== "file";
    input.hidden = kind.value === "file";
    input.placeholder = t(HINTS[kind.value]);
    binary.checked = kind.value === "hex" || kind.value === "file";
  });
  input.addEventListener("keydown", (event) => {
    // While Hangul is composed, Enter ends the syllable.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  const asBinary = el("label", { title: t("On WebSocket: a binary message") }, binary, " ", t("binary"));
  const form = el("form", { class: "composer", onsubmit: submit },
    input, file,
    el("div", { class: "bar" }, kind, asBinary, el("span", { class: "grow" }), button));

  async function read() {
    const isBinary = binary.checked;
    if (kind.value === "text") return { text: input.value, bytes: encode(input.value), binary: isBinary };
    const bytes = kind.value === "hex" ? parseHex(input.value)
      : kind.value === "escapes" ? parseEscapes(input.value)
      : new Uint8Array(await file.files[0].arrayBuffer());
    return { data: toBase64(bytes), bytes, binary: isBinary };
  }

  async function submit(event) {
    event.preventDefault();
    if (kind.value === "file" && !file.files.length) return;
    let message;
    try {
      message = await read();
    } catch {
      toast(t(kind.value === "hex" ? "These are no pairs of hex digits." : "Escapes are \\r \\n \\t \\0 \\e \\\\ \\xNN and \\u{N}."), true);
      return;
    }
    // Now, and not when it is sent: the next line may be typed meanwhile.
    const was = input.value;
    input.value = "";
    input.focus();
    try {
      await send(message);
    } catch (error) {
      input.value ||= was;
      toast(error.message, true);
    }
  }
  const get = () => ({ form: kind.value, text: input.value, binary: binary.checked });
  const set = (value) => {
    kind.value = FORMS.includes(value.form) && value.form !== "file" ? value.form : "text";
    kind.dispatchEvent(new Event("change"));
    input.value = value.text ?? "";
    binary.checked = Boolean(value.binary);
  };
  // Only WebSocket knows two kinds of message.
  const mayBeBinary = (may) => (asBinary.hidden = !may);
  return Object.assign(form, { get, set, mayBeBinary });
}

/** What `write` is told of a message. */
export const bodyOf = ({ text, data, binary }) => (text === undefined ? { data, binary } : { text, binary });
