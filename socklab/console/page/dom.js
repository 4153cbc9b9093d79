// Elements. Whatever a peer has sent goes through here, and is text: nothing in this page parses markup.

/** Make an element; `on...` are listeners, other properties are attributes; children are elements or text. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return element;
}

/** Set an element's text, unless it is that already: a reader's selection stays. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show other children; what is the same stays, and with it a reader's selection. */
export function patch(parent, children) {
  children.forEach((child, index) => {
    const old = parent.children[index];
    if (!old) parent.append(child);
    else if (old.isEqualNode(child)) return;
    else if (old.tagName === "TR") {
      old.className = child.className;
      patch(old, [...child.children]);
    } else old.replaceWith(child);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

/** Tell the user something, in a line that goes away by itself, by a click, and by Escape. */
export function toast(text, isWrong = false) {
  const line = el("div", { class: isWrong ? "toast wrong" : "toast", role: isWrong ? "alert" : "status", onclick: () => line.remove() }, text);
  document.getElementById("toasts").append(line);
  setTimeout(() => line.remove(), isWrong ? 8000 : 3500);
}

/** Have those lines go away; tells whether there were any. */
export function closeToasts() {
  const lines = document.querySelectorAll(".toast");
  for (const line of lines) line.remove();
  return lines.length > 0;
}
