// Tabs, theme, and the service's state; every tab has a module of its own.

import { call } from "./api.js";
import { loadModels } from "./models.js";
import * as batch from "./batch.js";
import * as compare from "./compare.js";
import * as picture from "./picture.js";
import * as review from "./review.js";
import * as search from "./search.js";

const TABS = { picture, search, review, batch, compare };
const names = Object.keys(TABS);

for (const name of names) {
  const tab = document.getElementById(`tab-${name}`);
  tab.addEventListener("click", () => choose(name));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = step ? names.at((names.indexOf(name) + step) % names.length) : { Home: names[0], End: names.at(-1) }[event.key];
    if (!to) return;
    event.preventDefault();
    choose(to);
    document.getElementById(`tab-${to}`).focus();
  });
  TABS[name].start(document.getElementById(name));
}

/** Show a tab, and keep it in the address. */
function choose(name) {
  for (const each of names) {
    const tab = document.getElementById(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    document.getElementById(each).hidden = each !== name;
  }
  if (location.hash.slice(1) !== name) history.replaceState(null, "", `#${name}`);
}

addEventListener("hashchange", () => names.includes(location.hash.slice(1)) && choose(location.hash.slice(1)));
if (names.includes(location.hash.slice(1))) choose(location.hash.slice(1));

document.addEventListener("look-at", (event) => {
  choose("picture");
  document.getElementById("picture").dispatchEvent(new CustomEvent("open-picture", { detail: event.detail }));
});

// A file that misses its place would replace the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => event.preventDefault());

const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = ["auto", "light", "dark"];

function paint() {
  const chosen = localStorage.getItem("catalens-theme") ?? "auto";
  const isDark = chosen === "dark" || (chosen === "auto" && dark.matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  theme.textContent = `Theme: ${chosen}`;
}

theme.addEventListener("click", () => {
  const chosen = localStorage.getItem("catalens-theme") ?? "auto";
  localStorage.setItem("catalens-theme", themes[(themes.indexOf(chosen) + 1) % themes.length]);
  paint();
});
dark.addEventListener("change", paint);
paint();

/** Say that models are loading until they are there. */
async function watch() {
  const note = document.getElementById("loading");
  for (;;) {
    const response = await fetch("/health/ready").catch(() => null);
    note.hidden = response?.ok ?? false;
    if (response?.ok) return;
    note.textContent = response
      ? "The models are loading; what you ask for now is answered as soon as they are there."
      : "The service cannot be reached. Check that catalens still runs.";
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}

watch();
loadModels().then(() => compare.offer(document.getElementById("compare")), () => {});
call("/v1/catalogues").then(
  (found) => [search, review].forEach((tab) => tab.offer(found)),
  (error) => [search, review].forEach((tab) => tab.refused(error)),
);
