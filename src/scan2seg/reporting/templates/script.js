"use strict";
(() => {
  const numeric = (key) => key !== "" && Number.isFinite(Number(key));
  const keyOf = (row, column) => row.cells[column]?.dataset.key ?? "";

  function compare(a, b) {
    return numeric(a) && numeric(b) ? Number(a) - Number(b) : a.localeCompare(b);
  }

  function sort(table, column, header) {
    const descending = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((first, second) => {
      const a = keyOf(first, column), b = keyOf(second, column);
      if (a === "" || b === "") return (a === "") - (b === "");  // unknown values stay last
      return descending ? compare(b, a) : compare(a, b);
    });
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sort(table, column, header));
      const keys = [...table.tBodies[0].rows].map((row) => keyOf(row, column)).filter((key) => key !== "");
      if (keys.length && !keys.every(numeric)) {  // words are set flush left, numbers flush right
        for (const row of table.rows) row.cells[column]?.classList.add("words");
      }
    });
  }
})();
