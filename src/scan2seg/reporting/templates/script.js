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

  function flushWords(table) {  // words are set flush left, numbers flush right
    for (let column = 0; column < table.tHead.rows[0].cells.length; column++) {
      const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => row.className !== "divider");
      const keys = rows.map((row) => keyOf(row, column)).filter((key) => key !== "");
      if (!keys.length || keys.every(numeric)) continue;
      for (const row of [table.tHead.rows[0], ...rows]) row.cells[column]?.classList.add("words");
    }
  }

  const MANY_ROWS = 12, MANY_COLUMNS = 6;
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  function addFilter(table, tools) {
    const rows = [...table.tBodies[0].rows];
    const count = make("output", { textContent: `${rows.length} rows` });
    const input = make("input", { type: "search", placeholder: "words, -without" });
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter((word) => word && word !== "-");
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => word[0] === "-" ? !text.includes(word.slice(1)) : text.includes(word));
      }
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    });
    tools.append(make("label", {}, "Filter ", input), count);
  }

  function addColumns(table, tools) {
    const boxes = [...table.tHead.rows[0].cells].map((header, column) => {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => {
        for (const row of table.rows) {
          if (row.cells.length > column && row.className !== "divider") row.cells[column].classList.toggle("off", !box.checked);
        }
        measure();
      });
      return make("label", {}, box, ` ${header.textContent.trim()}`);
    });
    const legend = make("legend", { className: "hidden", textContent: "Columns that are shown" });
    tools.append(make("details", {}, make("summary", { textContent: "Columns" }), make("fieldset", {}, legend, ...boxes)));
  }

  function measure() {  // the cue stands only where something is out of sight
    for (const box of document.querySelectorAll(".box")) {
      const scroll = box.querySelector(".scroll");
      box.classList.toggle("wide", scroll.scrollWidth > scroll.clientWidth + 1);
    }
  }

  for (const table of document.querySelectorAll("table.sortable, table.simple")) flushWords(table);
  for (const table of document.querySelectorAll("table.sortable")) {
    const tools = make("div", { className: "tools" });
    if (table.tBodies[0].rows.length > MANY_ROWS) addFilter(table, tools);
    if (table.tHead.rows[0].cells.length > MANY_COLUMNS) addColumns(table, tools);
    if (tools.childElementCount) table.closest(".box").prepend(tools);
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sort(table, column, header));
    });
  }
  function walk(viewer) {
    const { frames, options } = JSON.parse(viewer.querySelector("script").textContent);
    const slider = viewer.querySelector(".frame"), names = viewer.querySelector(".name");
    const opacity = viewer.querySelector(".opacity"), panes = [...viewer.querySelectorAll("figure")];
    const fill = (select, words, value) => {
      select.append(...words.map((word, place) => make("option", { value: place, textContent: word })));
      select.value = value;
    };
    const show = () => {
      const frame = frames[slider.value];
      names.value = slider.value;
      slider.setAttribute("aria-valuetext", frame.name);
      for (const pane of panes) {
        const option = options[pane.querySelector("select").value];
        const ground = pane.querySelector(".ground"), layer = pane.querySelector(".layer");
        const uri = option.layer === null ? "" : frame.layers[option.layer];
        const note = option.layer === null ? "" : frame.notes[option.layer];
        ground.src = frame.grounds[option.ground];
        ground.alt = frame.name;
        layer.hidden = !uri;
        if (uri) layer.src = uri;
        layer.alt = uri ? `${option.name} on ${frame.name}` : "";
        pane.style.setProperty("--opacity", opacity.value / 100);
        pane.querySelector("figcaption").textContent = [option.name, frame.name, note].filter(Boolean).join(", ");
      }
    };
    fill(names, frames.map((frame) => frame.name), slider.value);
    for (const pane of panes) fill(pane.querySelector("select"), options.map((option) => option.name), pane.dataset.option);
    names.addEventListener("change", () => { slider.value = names.value; show(); });
    for (const control of [slider, opacity]) control.addEventListener("input", show);
    for (const pane of panes) pane.querySelector("select").addEventListener("change", show);
    for (const hidden of viewer.querySelectorAll(".controls, .choice")) hidden.hidden = false;
    show();
  }

  for (const viewer of document.querySelectorAll(".viewer")) walk(viewer);
  measure();
  addEventListener("resize", measure);
  // paper cannot be unfolded
  addEventListener("beforeprint", () => { for (const folded of document.querySelectorAll("main details")) folded.open = true; });
})();
