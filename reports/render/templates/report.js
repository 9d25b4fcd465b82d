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

  // The contents show where the reader is; on a phone they lie over the page and fold once a line was chosen.
  const contents = document.getElementById("contents");
  const wide = matchMedia("(min-width: 64rem)");
  const fold = () => { if (!wide.matches) contents.open = false; };
  wide.addEventListener("change", () => { contents.open = wide.matches; });
  const links = new Map([...contents.querySelectorAll("a")].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
  document.addEventListener("click", (event) => { if (!contents.contains(event.target)) fold(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || wide.matches || !contents.open) return;
    contents.open = false;
    contents.querySelector("summary").focus();
  });
  const lines = [...links.values()];
  contents.addEventListener("keydown", (event) => {
    const at = lines.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (at < 0 || to === undefined || !lines[to]) return;
    event.preventDefault();
    lines[to].focus();
  });
  const places = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
  const follow = () => {
    let here = places[0];
    const line = parseFloat(getComputedStyle(root).scrollPaddingTop) + 64;
    for (const place of places) if (place.getBoundingClientRect().top < line) here = place;
    if (scrollY > 0 && scrollY + innerHeight >= root.scrollHeight - 2) here = places.at(-1);
    for (const [id, link] of links) {
      if (id !== here.id) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "location");
        if (wide.matches) link.scrollIntoView({ block: "nearest" });
      }
    }
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; follow(); });
  }, { passive: true });
  follow();

  // What stays at the top of a phone must not cover what a link leads to.
  const stamp = document.querySelector(".stamp");
  const bar = document.querySelector(".sidebar");
  const measure = () => {
    root.style.setProperty("--stamp-height", `${stamp ? stamp.offsetHeight : 0}px`);
    root.style.setProperty("--bar-height", `${wide.matches ? 0 : bar.offsetHeight}px`);
  };
  new ResizeObserver(measure).observe(root);
  measure();

  // A link into folded material opens it, in browsers too that do not do so themselves.
  const reveal = () => {
    let place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const target = place;
    for (; place; place = place.parentElement) if (place.matches("details:not([open])")) place.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // A box is a stop of the Tab key only where there is something to scroll.
  const boxes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const box of document.querySelectorAll(".scroll")) boxes.observe(box);

  // Text that is meant to be pasted elsewhere has a button; where nothing may be written, the text is selected.
  for (const button of document.querySelectorAll("button.copy")) {
    const text = button.parentElement.querySelector(".copied");
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      let done = true;
      try { await navigator.clipboard.writeText(text.textContent); } catch {
        getSelection().selectAllChildren(text);
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

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
