// Elements. All text passes plain() and goes in as text, never as HTML.
import { plain } from './text.js';

const svgNS = 'http://www.w3.org/2000/svg';

function fill(e, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null && value !== false) e.setAttribute(name, value === true ? '' : plain(value));
  }
  for (const c of children) e.append(c instanceof Node ? c : plain(c));
  return e;
}

export const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(svgNS, name), attributes, children);
export const byId = (id) => document.getElementById(id);

// put changes an element's text if it is another one.
export function put(e, text) {
  text = plain(text);
  if (e.textContent !== text) e.textContent = text;
}

// set changes an attribute if it is another one.
export function set(e, name, value) {
  value = plain(value);
  if (e.getAttribute(name) !== value) e.setAttribute(name, value);
}

// once calls draw, which makes the children of e anew, if what they are made of has
// changed. Who had the keyboard has it afterwards, if it is still there.
export function once(e, from, draw) {
  const key = JSON.stringify(from);
  if (e.drawnFrom === key) return false;
  e.drawnFrom = key;
  const held = e.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  e.replaceChildren(...draw());
  if (held !== undefined) [...e.querySelectorAll('[data-key]')].find((x) => x.dataset.key === held)?.focus();
  return true;
}

// arrange puts children in the order given and takes out all others. What stands where it
// belongs is not touched.
export function arrange(parent, children) {
  let at = parent.firstChild;
  for (const c of children) {
    if (c === at) at = at.nextSibling;
    else parent.insertBefore(c, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
