"use strict";
// Elements and numbers. Strings become text nodes: nothing on this page is ever parsed as markup.

const SVG = document.querySelector("svg").namespaceURI;

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("aria-"))
      node.setAttribute(name, String(value)); // there, "false" says something
    else if (value === false) continue;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);

const icon = (name, look = name, label = "") =>
  svg(
    "svg",
    { class: `icon ${look}`, viewBox: "0 0 12 12", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) },
    svg("use", { href: `#i-${name}` }),
  );

const facts = (pairs) =>
  el(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))),
  );

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** A count or a mean of counts, for people. */
function count(value) {
  if (value === null || value === undefined) return "–";
  return (Math.abs(value) >= 100 || Number.isInteger(value) ? whole : tenths).format(value);
}

/** A duration, for people: the same words as the timeline page. */
function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1) return `${Number((1000 * value).toPrecision(3))} ms`;
  return `${value < 100 ? Number(value.toPrecision(3)) : whole.format(value)} s`;
}

const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(1));
const share = (part, all) => `${Math.round((100 * part) / all)} %`;
const signed = (value) => (Math.abs(value) < 0.05 ? "" : value < 0 ? "−" : "+") + Math.abs(value).toFixed(1);

/** The one of `list` that an arrow key leads to from `from`. */
const neighbour = (list, from, key) =>
  ({ ArrowDown: list[list.indexOf(from) + 1], ArrowUp: list[list.indexOf(from) - 1], Home: list[0], End: list.at(-1) })[key];

/** Keyboard focus within a list that is one stop of the tab order. */
function rove(list, to) {
  for (const one of list) one.tabIndex = one === to ? 0 : -1;
  to.focus();
}

let tipped = null;
function showTip(anchor, head, lines) {
  tipped = [anchor, head, lines];
  const tip = byId("tip");
  tip.replaceChildren(el("b", {}, head), lines.join("\n"));
  tip.hidden = false;
  const box = anchor.getBoundingClientRect(),
    own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = box.top - own.height - 10;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + 10}px`;
}
const hideTip = () => {
  tipped = null;
  byId("tip").hidden = true;
};

/** When the page moves, the tip of a focused point moves with it; that of a point under the mouse is left behind. */
const moveTip = () => tipped && (tipped[0].parentNode === document.activeElement ? showTip(...tipped) : hideTip());
