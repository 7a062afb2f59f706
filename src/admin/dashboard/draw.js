// Elements out of data. All text goes in as text: a caller's name is data, and never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children, which are elements or texts. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets an element's text if it is another: what has not changed keeps a reader's selection and place. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export const byId = (id) => document.getElementById(id);

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const WIDTH = 240;
const HEIGHT = 40;

/** Draws `values`, the oldest first, as a line over an area. `most` is what the top stands for, if not the greatest. */
export function sparkline(svg, values, room, most) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const known = values.filter((value) => value !== null);
  const top = most ?? Math.max(...known, Number.MIN_VALUE);
  const step = WIDTH / Math.max(room - 1, 1);
  // New values come in at the right; before the first there is nothing.
  const first = room - values.length;
  const place = (value, index) => [(first + index) * step, HEIGHT - 1 - (value / top) * (HEIGHT - 4)];
  const runs = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (index === 0 || values[index - 1] === null) runs.push([]);
    runs.at(-1).push(place(value, index));
  });
  const drawn = runs.flatMap((run) => {
    // One value alone would be no line.
    const points = run.length > 1 ? run : [run[0], [run[0][0] + step / 2, run[0][1]]];
    const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const [left, right] = [points[0][0].toFixed(1), points.at(-1)[0].toFixed(1)];
    return [
      shape("path", { class: "area", d: `M${left} ${HEIGHT}L${line}L${right} ${HEIGHT}Z` }),
      shape("path", { class: "line", d: `M${line}`, "vector-effect": "non-scaling-stroke" }),
    ];
  });
  svg.replaceChildren(...drawn);
}

export const svg = (name) => shape("svg", { class: name, "aria-hidden": "true", focusable: "false" });

/**
 * Fills a table. `columns` are `{title, number?, head?, cell}`, where `cell` gives a text, or `{text, kind}`, or
 * `{text, bar}` with a bar's length from 0 to 1. Rows are used again, so that nothing moves under a reader.
 */
export function table(target, caption, columns, rows, nothing) {
  if (!target.caption) {
    target.append(element("caption", { class: "unseen" }, caption));
    const heads = columns.map(({ title, number }) =>
      element("th", { scope: "col", class: number ? "number" : "" }, title),
    );
    target.append(element("thead", {}, element("tr", {}, ...heads)), element("tbody"));
  }
  const body = target.tBodies[0];
  target.tHead.hidden = rows.length === 0;
  if (rows.length === 0) {
    if (!body.querySelector(".nothing")) {
      body.replaceChildren(element("tr", {}, element("td", { class: "nothing", colspan: `${columns.length}` }, nothing)));
    }
    return;
  }
  if (body.querySelector(".nothing")) body.replaceChildren();
  while (body.rows.length > rows.length) body.rows[body.rows.length - 1].remove();
  rows.forEach((row, index) => {
    const line = body.rows[index] ?? body.appendChild(blank(columns));
    columns.forEach((column, place) => fill(line.cells[place], column.cell(row)));
  });
}

function blank(columns) {
  const cells = columns.map(({ number, head }) => {
    const attributes = { class: number ? "number" : "" };
    return head ? element("th", { scope: "row", ...attributes }) : element("td", attributes);
  });
  return element("tr", {}, ...cells);
}

function fill(cell, told) {
  const { text, kind, bar } = typeof told === "object" ? told : { text: told };
  if (bar === undefined) {
    write(cell, text);
  } else {
    const length = cell.querySelector(".bar > span") ?? cell.appendChild(element("span", { class: "bar" })).appendChild(element("span"));
    const label = cell.querySelector(".value") ?? cell.appendChild(element("span", { class: "value" }));
    length.style.width = `${Math.round(bar * 1000) / 10}%`;
    write(label, text);
  }
  if (kind === undefined) delete cell.dataset.kind;
  else cell.dataset.kind = kind;
}

/** Fills a list of terms. `pairs` are `[term, text, kind?, meter?]`, the meter from 0 to 1. */
export function terms(target, pairs) {
  while (target.children.length > pairs.length) target.lastElementChild.remove();
  pairs.forEach(([term, text, kind, meter], index) => {
    const pair = target.children[index] ?? target.appendChild(element("div", {}, element("dt"), element("dd")));
    const [name, value] = pair.children;
    write(name, term);
    fill(value, meter === undefined ? { text, kind } : { text, kind, bar: meter });
  });
}
