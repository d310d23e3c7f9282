// The search, and a filter for long tables. Without this script the pages can be read all the same.
"use strict";
(() => {
  const top = document.currentScript.dataset.top;

  function field(label, parent) {
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = label;
    input.setAttribute("aria-label", label);
    parent.append(input);
    return input;
  }

  // Search.
  const search = document.getElementById("search");
  const input = field("Search", search);
  const results = document.createElement("ul");
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  status.className = "status";
  results.hidden = true;
  search.append(results, status);
  let isLoading = false;

  function load() {
    if (isLoading) return;
    isLoading = true;
    const script = document.createElement("script");
    script.src = top + "search-index.js";
    script.onload = show;
    document.head.append(script);
  }

  function score([title, heading, , text], words) {
    let sum = 0;
    for (const word of words) {
      const inTitle = title.toLowerCase().includes(word);
      const inHeading = heading.toLowerCase().includes(word);
      const inText = text.toLowerCase().includes(word);
      if (!inTitle && !inHeading && !inText) return 0;
      sum += (inTitle ? (heading === "" ? 12 : 4) : 0) + (inHeading ? 6 : 0) + (inText ? 1 : 0);
      if (title.toLowerCase() === word && heading === "") sum += 20;
    }
    return sum;
  }

  function show() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    results.replaceChildren();
    results.hidden = words.length === 0 || !window.searchIndex;
    status.textContent = "";
    if (results.hidden) return;
    const found = window.searchIndex
      .map((section) => [score(section, words), section])
      .filter(([points]) => points > 0)
      .sort(([a], [b]) => b - a);
    for (const [, [title, heading, address]] of found.slice(0, 12)) {
      const link = document.createElement("a");
      link.href = top + address;
      link.textContent = heading === "" ? title : `${title}: ${heading}`;
      const item = document.createElement("li");
      item.append(link);
      results.append(item);
    }
    status.textContent = found.length === 0 ? "Nothing found" : `${found.length} found`;
    if (found.length === 0) results.hidden = true;
  }

  input.addEventListener("focus", load);
  input.addEventListener("input", show);
  search.addEventListener("keydown", (event) => {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") {
      input.value = "";
      show();
      input.focus();
    } else if (event.key === "ArrowDown" && links.length > 0) {
      links[Math.min(at + 1, links.length - 1)].focus();
      event.preventDefault();
    } else if (event.key === "ArrowUp" && at >= 0) {
      (at === 0 ? input : links[at - 1]).focus();
      event.preventDefault();
    } else if (event.key === "Enter" && document.activeElement === input && links.length > 0) {
      links[0].click();
    }
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = ["INPUT", "TEXTAREA"].includes(document.activeElement.tagName);
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      input.focus();
      event.preventDefault();
    }
  });

  // A filter for long tables.
  for (const region of document.querySelectorAll("div.table")) {
    const rows = [...region.querySelectorAll("tbody tr")];
    if (rows.length < 20) continue;
    const box = document.createElement("p");
    box.className = "filter";
    const filter = field("Filter this table", box);
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    box.append(count);
    region.before(box);
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) shown += 1;
      }
      count.textContent = `${shown} of ${rows.length}`;
    });
  }
})();
