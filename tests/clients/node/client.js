// A WebSocket client to talk to: it takes commands, and prints events, each as one line of JSON.
// Arguments: the URL, and options for `ws` as JSON.
"use strict";

const { createHash } = require("node:crypto");
const { createInterface } = require("node:readline");
const WebSocket = require("ws");

const [url, options = "{}"] = process.argv.slice(2);
const socket = new WebSocket(url, { rejectUnauthorized: false, ...JSON.parse(options) });
const commands = createInterface({ input: process.stdin });

function print(event, values) {
  process.stdout.write(`${JSON.stringify({ event, ...values })}\n`);
}

// Long data is told by its length and its hash.
function content(data, isBinary) {
  if (data.length <= 1000) return { data: data.toString(isBinary ? "hex" : "utf8") };
  return { length: data.length, sha256: createHash("sha256").update(data).digest("hex") };
}

socket.on("open", () => print("open", { extensions: socket.extensions, subprotocol: socket.protocol }));
socket.on("message", (data, isBinary) => print("message", { isBinary, ...content(data, isBinary) }));
socket.on("ping", (data) => print("ping", { data: data.toString() }));
socket.on("pong", (data) => print("pong", { data: data.toString() }));
socket.on("error", (error) => print("error", { why: error.message }));
socket.on("close", (code, reason) => {
  print("close", { code, reason: reason.toString() });
  commands.close();
  process.stdin.destroy();
});

const does = {
  text: ({ data, times = 1 }) => socket.send(data.repeat(times)),
  binary: ({ data, times = 1 }) => socket.send(Buffer.from(data.repeat(times), "hex")),
  fragments: ({ data, binary = false }) =>
    data.forEach((piece, index) => socket.send(piece, { binary, fin: index === data.length - 1 })),
  // A text message whose bytes are no UTF-8.
  invalid: () => socket.send(Buffer.from([0x61, 0xff]), { binary: false }),
  ping: ({ data }) => socket.ping(data),
  close: ({ code, reason }) => socket.close(code, reason),
};

commands.on("line", (line) => {
  const { do: name, ...values } = JSON.parse(line);
  does[name](values);
});
