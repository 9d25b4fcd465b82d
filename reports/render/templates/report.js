"use strict";
(() => {
  const root = document.documentElement;

  // The dark scheme follows the system; the button overrides it, and the choice is kept where the browser allows it.
  const button = document.getElementById("scheme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = {
    read() { try { return localStorage.getItem("tandem-scheme"); } catch { return null; } },
    write(scheme) { try { localStorage.setItem("tandem-scheme", scheme); } catch { /* files may keep nothing */ } },
  };
  const isDark = () => (root.dataset.scheme || (system.matches ? "dark" : "light")) === "dark";
  const label = () => { button.textContent = isDark() ? "Light page" : "Dark page"; };
  if (kept.read()) root.dataset.scheme = kept.read();
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.scheme = isDark() ? "light" : "dark";
    kept.write(root.dataset.scheme);
    label();
  });
  system.addEventListener("change", label);
  label();

  // The contents show where the reader is, and fold again on a phone once a line was chosen.
  const contents = document.getElementById("contents");
  const wide = matchMedia("(min-width: 64rem)");
  wide.addEventListener("change", () => { contents.open = wide.matches; });
  const links = new Map([...contents.querySelectorAll("a")].map((a) => [a.hash.slice(1), a]));
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && !wide.matches) contents.open = false;
  });
  const places = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
  const follow = () => {
    let here = places[0];
    for (const place of places) if (place.getBoundingClientRect().top < innerHeight * 0.3) here = place;
    for (const [id, link] of links) {
      if (id === here.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; follow(); });
  }, { passive: true });
  follow();

  // Paper cannot unfold anything: what is folded opens for printing, and folds again.
  const folded = () => document.querySelectorAll("details.folded:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...folded()]; for (const part of opened) part.open = true; });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });

  // A table copied into a spreadsheet should arrive as numbers: ASCII minus and point, no footnote letters.
  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (!selection.rangeCount) return;
    const part = selection.getRangeAt(0).cloneContents();
    const rows = [...part.querySelectorAll("tr")];
    if (!rows.length) return;
    for (const extra of part.querySelectorAll("sup")) extra.remove();
    const plain = (text) => text.replace(/\s+/g, " ").trim().replace(/−(?=[\d.·])/g, "-").replace(/(\d|^|-)·(?=\d)/g, "$1.");
    // A cell that holds several values ("33.8 (9.0)", "−1.3 to 4.1") becomes a cell for each.
    const cells = rows.map((row) => [...row.children].flatMap((cell) => {
      const values = [...cell.querySelectorAll(".v")].map((value) => plain(value.textContent));
      const found = values.length ? values : [plain(cell.textContent)];
      return [...found, ...Array(Math.max(0, Number(cell.dataset.columns || 1) - found.length)).fill("")];
    }));
    const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
    event.clipboardData.setData("text/plain", cells.map((row) => row.join("\t")).join("\n"));
    event.clipboardData.setData("text/html", "<table>" + cells.map((row) =>
      "<tr>" + row.map((text) => "<td>" + escaped(text) + "</td>").join("") + "</tr>").join("") + "</table>");
    event.preventDefault();
  });
})();
