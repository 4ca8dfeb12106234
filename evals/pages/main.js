// Puts the page together, and hears the keys that work everywhere.

const leftOutWords = (run) =>
  `${count(run.leftOut)} tries of ${run.name} stand here without threads and texts: the page is full. ${RUNS.length > 1 ? "Make one of this run alone, or allow" : "Allow"} more with --kept-limit.`;

const THEMES = { auto: "as the system", light: "light", dark: "dark" };
function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.textContent = theme[0].toUpperCase() + theme.slice(1);
  button.setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
  button.onclick = () => setTheme({ auto: "light", light: "dark", dark: "auto" }[theme]);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !opened) {
    byId("search").focus();
    event.preventDefault();
  } else if (event.key === "Escape" && event.target === byId("search")) {
    setFilter({ text: "" });
    table.grid.focus();
    event.preventDefault();
  } else if (event.key === "ArrowDown" && event.target === byId("search")) {
    table.grid.focus();
    event.preventDefault();
  } else if (opened && !typing && (event.key === "n" || event.key === "p")) turn(event.key === "n" ? 1 : -1);
});

addEventListener("scroll", moveTip, { passive: true });

setTheme("auto");
drawFrontiers();
if (RUNS.length > 1) drawCompare();
drawFilters();
drawTable();
select();

const cutShort = RUNS.filter((run) => run.leftOut);
byId("left-out").hidden = !cutShort.length;
byId("left-out").replaceChildren(...cutShort.map((run) => el("span", {}, `${leftOutWords(run)} `)));

byId("detail").addEventListener("close", closed);
byId("detail").addEventListener("click", (event) => {
  if (event.target === byId("detail")) byId("detail").close();
});
addEventListener("hashchange", openAddress);
openAddress();
