// Bytes and text, as a person reads and writes them.

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Bytes of base64. */
export const fromBase64 = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));

/** Base64 of bytes. */
export function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** UTF-8 of a text, and back. */
export const encode = (text) => encoder.encode(text);
export const decode = (bytes) => decoder.decode(bytes);

/** `48 69`. */
export function hex(bytes) {
  let text = "";
  for (const byte of bytes) text += (text && " ") + byte.toString(16).padStart(2, "0");
  return text;
}

// Controls would hide, or turn the direction of what stands around them.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\x1b": "\\e" };

/** Parts of a text, each with whether it is a control, which is then named as in `parseEscapes`. */
export function parts(text) {
  return text.split(new RegExp(`(${CONTROLS.source})`, "u")).filter(Boolean).map((part) => {
    if (!CONTROLS.test(part)) return [part, false];
    const code = part.codePointAt(0).toString(16);
    return [ESCAPES[part] ?? (code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, "0")}`), true];
  });
}

/** Bytes of `48 65 6c`; spaces do not matter. Throws what is wrong. */
export function parseHex(text) {
  const digits = text.replace(/0x|[\s,:]/gi, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error("hex");
  return Uint8Array.from(digits.match(/../g) ?? [], (each) => parseInt(each, 16));
}

const NAMED = { n: 10, r: 13, t: 9, 0: 0, "\\": 92, a: 7, b: 8, e: 27, f: 12, v: 11 };

/** Bytes of text with \r \n \t \0 \e \\ \xNN \u{N}. Throws what is wrong. */
export function parseEscapes(text) {
  const bytes = [];
  const pattern = /\\x([0-9a-f]{2})|\\u\{([0-9a-f]{1,6})\}|\\u([0-9a-f]{4})|\\([nrt0\\abefv])|(\\)|([^\\]+)/giy;
  for (const match of text.matchAll(pattern)) {
    const [, byte, point, four, named, wrong, plain] = match;
    if (wrong) throw new Error("escapes");
    if (byte) bytes.push(parseInt(byte, 16));
    else if (named) bytes.push(NAMED[named.toLowerCase()]);
    else bytes.push(...encode(plain ?? String.fromCodePoint(parseInt(point ?? four, 16))));
  }
  return Uint8Array.from(bytes);
}

const UNITS = ["B", "KiB", "MiB", "GiB"];

/** `1.5 KiB`. */
export function size(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${unit && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${UNITS[unit]}`;
}

/** `14:03:07.123`. */
export function clock(seconds, digits = 3) {
  const at = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return digits ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
}

/** `2 h 5 min`. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `12 µs`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1e-3) return `${+(seconds * 1e6).toPrecision(3)} µs`;
  return seconds < 1 ? `${+(seconds * 1e3).toPrecision(3)} ms` : `${+seconds.toPrecision(3)} s`;
}
