// Sorts tables by a click on a heading, and by another one the other way round.
"use strict";
const sorting = (() => {
  // sortable gives the headings of a table buttons.
  function sortable(table) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
    }
  }

  // value is what a cell is sorted by: the number that it begins with, in its base unit,
  // and its text. A time is sorted as it is, not by how long ago it was.
  const units = { "µs": 1e-6, ms: 1e-3 };
  function value(cell) {
    const text = (cell.dataset.value ?? cell.querySelector(":scope > time, :scope > a > time")?.dateTime ?? cell.textContent).trim();
    const found = /^([+\-−]?[\d.]+(?:e[+-]?\d+)?) ?(µs|ms)?/.exec(text);
    const number = found ? parseFloat(found[1].replace("−", "-")) * (units[found[2]] ?? 1) : NaN;
    return { number, text };
  }

  function resort(table) {
    const headings = [...table.tHead.rows[0].cells];
    const column = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
    if (column < 0) return;
    const sign = headings[column].getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, ...value(row.cells[column]) }));
    rows.sort((a, b) => {
      const missing = isNaN(a.number) - isNaN(b.number); // what has no figure comes last
      return missing || sign * (a.number - b.number || a.text.localeCompare(b.text));
    });
    table.tBodies[0].append(...rows.map((each) => each.row));
  }

  // sortLike sorts a table as another one with the same headings is sorted.
  function sortLike(table, other) {
    const headings = table.tHead.rows[0].cells, others = other?.tHead.rows[0].cells ?? [];
    const column = [...others].findIndex((heading) => heading.hasAttribute("aria-sort"));
    if (column < 0 || headings[column]?.textContent !== others[column].textContent) return;
    headings[column].setAttribute("aria-sort", others[column].getAttribute("aria-sort"));
    resort(table);
  }

  document.addEventListener("click", (event) => {
    const heading = event.target.closest?.("th button")?.parentElement;
    if (!heading) return;
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    resort(heading.closest("table"));
  });
  for (const table of document.querySelectorAll("table")) sortable(table);
  return { sortable, sortLike };
})();
