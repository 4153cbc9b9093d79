// What the server is asked for, and what it tells as it happens.

import { said, t } from "./i18n.js";

const HEADERS = { "X-Socklab": "1", "Content-Type": "application/json" };

/** What the server answers when it will not. */
export class Refused extends Error {
  constructor(status, told) {
    super(said(told));
    this.status = status;
  }
}

/** Ask for something to be done. */
export async function post(name, body = {}) {
  const answer = await fetch(`/api/${name}`, { method: "POST", headers: HEADERS, body: JSON.stringify(body) }).catch(() => {
    throw new Error(t("no connection to the server"));
  });
  const told = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

/** Give each line of JSON to `take` until the stream ends; throws when there is none. */
export async function stream(take) {
  const answer = await fetch("/api/stream", { headers: HEADERS });
  if (!answer.ok) throw new Refused(answer.status, await answer.json());
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) take(JSON.parse(line));
  }
}
