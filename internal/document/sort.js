"use strict";
for (const table of document.querySelectorAll("table")) {
  table.querySelectorAll("thead th").forEach((th, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const falling = th.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const body = table.tBodies[0];
      const text = (row) => row.cells[column] ? row.cells[column].textContent : "";
      const units = { "µs": 1e-6, "ms": 1e-3 };
      const value = (row) => {
        const m = /^([+-]?[0-9.]+(?:e[+-]?[0-9]+)?) ?(µs|ms)?/.exec(text(row).replace("−", "-"));
        return m ? parseFloat(m[1]) * (units[m[2]] || 1) : NaN;
      };
      const compare = (a, b) => {
        const x = value(a), y = value(b);
        if (isNaN(x) && isNaN(y)) return text(a).localeCompare(text(b));
        if (isNaN(x) || isNaN(y)) return isNaN(x) ? 1 : -1;
        return falling ? y - x : x - y;
      };
      body.append(...Array.from(body.rows).sort(compare));
    });
  });
}
