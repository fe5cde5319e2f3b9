// Keeps the page up to date. Without it all is there too, as of when the page was
// loaded. The server makes all HTML; this only puts it in place.
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
    if (!answer.ok && answer.status !== 404) throw new Error(`vllm_prober answers ${answer.status}`); // 404 is a page that says so
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
        sorting.sortable(table);
        sorting.sortLike(table, shown[i]);
      });
      morph(main, page);
      whole = Date.now();
      said("");
    } catch (error) {
      const why = error.message.startsWith("vllm_prober") ? error.message : "No answer from vllm_prober";
      if (++failures > 2) connection.textContent = `${why}: what is shown may be old.`;
    }
  }

  function said(text) {
    failures = 0;
    if (connection.textContent !== text) connection.textContent = text;
  }

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
