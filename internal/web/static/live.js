// Keeps the page up to date and sorts its tables. Without it all is there too, as of
// when the page was loaded. The server makes all HTML; this only puts it in place.
"use strict";
(() => {
  const every = 1000; // milliseconds between two looks
  const atLeast = 10000; // and between two of the whole page, whose times go on
  const patience = 10000; // how long an answer may take
  const main = document.getElementById("main");
  const connection = document.getElementById("connection");

  // morph makes an element like another one, and leaves alone what is alike already:
  // what has the focus keeps it, and what is selected stays so. Elements are told by
  // their ids where they have some, and else by their places.
  function morph(old, next) {
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && !kept(old, name)) old.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value && !kept(old, name)) old.setAttribute(name, value);
    }
    const others = [...next.childNodes];
    others.forEach((other, i) => {
      const same = other.id && [...old.children].find((child) => child.id === other.id);
      if (same) while (old.childNodes[i] !== same) old.childNodes[i].remove(); // itself it stays: moved, it would lose the focus
      const child = old.childNodes[i];
      if (!child) old.append(other);
      else if (child.id !== other.id && (child.id || other.id)) old.insertBefore(other, child);
      else if (child.nodeName !== other.nodeName) child.replaceWith(other);
      else if (child.nodeType === Node.ELEMENT_NODE) morph(child, other);
      else if (child.data !== other.data) child.data = other.data;
    });
    for (const child of [...old.childNodes].slice(others.length)) child.remove();
  }

  // kept says whether an attribute is the reader's and not the server's.
  const kept = (element, name) => element.nodeName === "DETAILS" && name === "open";

  // look fetches a page's document; only what the server says is in it.
  async function look(address, signal) {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal });
    if (!answer.ok) throw new Error(answer.status);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  let failures = 0, whole = Date.now(), wake = () => {};
  async function refresh() {
    if (document.hidden) return;
    const now = document.getElementById("now");
    const signal = AbortSignal.timeout(patience);
    try {
      // The live part fails, too, where a reload has removed the probe; then the page tells.
      const part = await look(now.dataset.live, signal).catch(() => null);
      const cards = part?.querySelector(".cards");
      if (cards) {
        const fresh = now.cloneNode(false);
        fresh.append(...cards.childNodes);
        morph(now, fresh);
        if (cards.dataset.board === main.dataset.board && Date.now() - whole < atLeast) return said("");
      }
      const page = (await look(location.href, signal)).getElementById("main");
      const shown = [...main.querySelectorAll("table")];
      page.querySelectorAll("table").forEach((table, i) => {
        sortable(table);
        sortLike(table, shown[i]);
      });
      morph(main, page);
      whole = Date.now();
      said("");
    } catch {
      if (++failures > 2) connection.textContent = "No answer from vllm_prober: what is shown may be old.";
    }
  }

  function said(text) {
    failures = 0;
    if (connection.textContent !== text) connection.textContent = text;
  }

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
  // and its text.
  const units = { "µs": 1e-6, ms: 1e-3 };
  function value(row, column) {
    const cell = row.cells[column];
    const text = (cell.dataset.value ?? cell.textContent).trim();
    const found = /^([+\-−]?[\d.]+(?:e[+-]?\d+)?) ?(µs|ms)?/.exec(text);
    const number = found ? parseFloat(found[1].replace("−", "-")) * (units[found[2]] ?? 1) : NaN;
    return { number, text };
  }

  function resort(table) {
    const headings = [...table.tHead.rows[0].cells];
    const column = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
    if (column < 0) return;
    const sign = headings[column].getAttribute("aria-sort") === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, ...value(row, column) }));
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

  main.addEventListener("click", (event) => {
    const heading = event.target.closest?.("th button")?.parentElement;
    if (!heading) return;
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    resort(heading.closest("table"));
  });

  for (const table of main.querySelectorAll("table")) sortable(table);
  (async () => {
    while (document.getElementById("now")) { // a run that has ended has none, and does not change
      await new Promise((done) => {
        setTimeout(done, every);
        wake = done;
      });
      await refresh();
    }
  })();
  document.addEventListener("visibilitychange", () => wake()); // who comes back sees what is now
})();
