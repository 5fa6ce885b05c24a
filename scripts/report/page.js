// SPDX-License-Identifier: MIT
// Sorts and filters what is there already. Reads the data element; adds nothing to the page as HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const said = document.getElementById("said");
  const form = document.getElementById("filters");
  const collator = new Intl.Collator("en", { numeric: true });
  const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b);

  for (const table of document.querySelectorAll("table[data-table]")) {
    const rows = data.tables[table.dataset.table].rows;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("number") ? "descending" : "ascending";
        const second = first === "ascending" ? "descending" : "ascending";
        const direction = head.getAttribute("aria-sort") === first ? second : first;
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort((a, b) =>
          sign * order(rows[a.dataset.row].cells[column], rows[b.dataset.row].cells[column]) ||
          a.dataset.row - b.dataset.row));
        said.textContent = `${table.caption.textContent}: sorted by ${button.textContent}, ${direction}`;
      });
    });
  }

  const filter = () => {
    const verdict = form.elements.verdict.value, program = form.elements.program.value;
    const peer = form.elements.peer.value.trim().toLowerCase(), text = form.elements.text.value.trim().toLowerCase();
    const fits = row =>
      (!verdict || row.verdicts.includes(verdict)) && (!program || row.programs.includes(program)) &&
      (!peer || !row.peer || row.peer.toLowerCase().includes(peer)) &&
      (!text || row.cells.join(" ").toLowerCase().includes(text));
    let shown = 0;
    for (const part of document.querySelectorAll("[data-table]")) {
      const rows = data.tables[part.dataset.table].rows;
      let here = 0;
      for (const element of part.querySelectorAll("[data-row]")) {
        element.hidden = !fits(rows[element.dataset.row]);
        here += !element.hidden;
      }
      const count = document.getElementById(part.dataset.table + "-count");
      if (count) count.textContent = here === rows.length ? "" : `${here} of ${rows.length} fit the filter`;
      shown += here;
    }
    said.textContent = `${shown} rows fit the filter`;
  };
  form.addEventListener("input", filter);
  form.querySelector("button").addEventListener("click", () => { form.reset(); filter(); });
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
})();
