// The tab of catalogues: by words, by picture, both; minus terms, filters, what is like a record, duplicates.

import { call, recordPath } from "./api.js";
import { button, failure, h, listed, shell } from "./dom.js";
import { filterField } from "./filters.js";
import { hitCard, openRecord } from "./hits.js";
import { dataAddress, dropPlace, onPaste, preview } from "./intake.js";

let panel = null;
let state = null;
let running = null;

/** Fill the panel. */
export function start(element) {
  panel = element;
  panel.replaceChildren(h("p", { class: "small waiting" }, "Looking for catalogues …"));
  onPaste(panel, (file) => state?.usePicture(file));
}

/** Show that the catalogues cannot be had. */
export function refused(error) {
  panel.replaceChildren(failure(error));
}

/** Show what can be searched. */
export function offer({ catalogues, pictures }) {
  if (!catalogues.length) {
    panel.replaceChildren(
      h(
        "div",
        { class: "start" },
        h("p", { class: "caption" }, "No catalogue is open yet."),
        h("p", {}, "Make one of a folder or a table, and open the page with it:"),
        h("pre", { class: "card", tabindex: "0" }, "catalens index add shop.catalens photos/\ncatalens ui shop.catalens"),
      ),
    );
    return;
  }
  state = form(catalogues, pictures);
  panel.replaceChildren(state.form, state.results);
}

function form(catalogues, pictures) {
  const results = h("div", { "aria-live": "polite" });
  const text = h("input", { type: "search", placeholder: "red striped t-shirt", "aria-label": "What you look for" });
  const minus = h("input", { type: "text", placeholder: "floral, lace" });
  const picked = h("div", { class: "where" });
  const filter = filterField();
  const catalogue = h(
    "select",
    {},
    catalogues.map(({ name, records }) => h("option", { value: name }, `${name} (${records.toLocaleString()})`)),
  );
  const mode = h(
    "select",
    {},
    [["vector", "by what they show"], ["keyword", "by words in their fields"], ["hybrid", "by both"]].map(([value, label]) =>
      h("option", { value }, label),
    ),
  );
  const made = { results, pictures, image: null, name: () => catalogue.value };
  made.usePicture = (file) => {
    made.image = file;
    const drop = () => ((made.image = null), picked.replaceChildren());
    picked.replaceChildren(
      h("span", { class: "chip" }, preview(file, "The picture to search by"), file.name, button("×", drop, { "aria-label": "Search without the picture" })),
    );
  };
  const go = (event) => {
    event?.preventDefault();
    find(made, { text: text.value.trim(), minus: listed(minus.value), where: filter.where(), mode: mode.value });
  };
  catalogue.addEventListener("change", () => filter.load(catalogue.value));
  filter.load(catalogue.value);
  filter.element.append(h("div", {}, button("Find duplicates", () => duplicates(made))));
  made.form = h(
    "form",
    { class: "query", onsubmit: go, role: "search" },
    h("div", { class: "main" }, text, h("button", { class: "primary" }, "Search")),
    picked,
    h(
      "details",
      { open: matchMedia("(min-width: 56rem)").matches },
      h("summary", {}, "Narrow it down, or search by a picture"),
      h(
        "div",
        { class: "column" },
        h(
          "div",
          { class: "more" },
          catalogues.length > 1 ? h("label", { class: "field" }, "Catalogue", catalogue) : null,
          h("label", { class: "field" }, "But not", minus),
          h("label", { class: "field" }, "Ranked", mode),
          dropPlace({ say: "Like a picture: drop, paste, or", onfiles: ([file]) => made.usePicture(file), small: true, camera: false }),
        ),
        filter.element,
      ),
    ),
  );
  return made;
}

async function find(search, { text, minus, where, mode }) {
  const image = search.image;
  if (!text && !image) {
    search.results.replaceChildren(failure(new Error("Say what you look for, or add a picture.")));
    return;
  }
  const body = { catalogue: search.name(), text: text ? [text] : [], minus, where: where || null, mode, k: 48 };
  if (image) body.image = await dataAddress(image);
  const flags = [...minus.flatMap((each) => ["--minus", each]), ...(where ? ["--where", where] : [])];
  const command = shell(
    "catalens", "search", `${search.name()}.catalens`, text, ...(image ? ["--image", image.name] : []), ...flags,
    ...(mode === "vector" ? [] : ["--mode", mode]), "-k", "48",
  );
  await working(search, "Searching …", async (signal) => {
    const { hits } = await call("/v1/search", { method: "POST", body: JSON.stringify(body), type: "application/json", signal });
    return found(search, hits, `${hits.length} best for ${[text && `“${text}”`, image && "the picture"].filter(Boolean).join(" and ")}`, command);
  });
}

async function similar(search, id, title) {
  await working(search, "Looking for what is like it …", async (signal) => {
    const { hits } = await call(recordPath(search.name(), "similar", id), { query: { k: 24 }, signal });
    return found(search, hits, `Most like “${title}”`, null);
  });
}

async function duplicates(search) {
  const path = `/v1/catalogues/${encodeURIComponent(search.name())}/duplicates`;
  await working(search, "Comparing every picture with every other …", async (signal) => {
    const { groups } = await call(path, { query: { min_score: 0.98 }, signal });
    if (!groups.length) return h("p", { class: "notice" }, "No two records have practically the same picture.");
    const shown = groups.map((group, at) =>
      h("section", {}, h("h2", {}, `Group ${at + 1}`), h("div", { class: "grid" }, group.map((each) => card(search, each)))),
    );
    return [summary(`${groups.length} groups of near-duplicates`, shell("catalens", "index", "duplicates", `${search.name()}.catalens`)), h("div", { class: "groups" }, shown)];
  });
}

function found(search, hits, heading, command) {
  if (!hits.length) return h("p", { class: "notice" }, "Nothing was found. Try other words, or fewer filters.");
  return [summary(heading, command), h("div", { class: "grid" }, hits.map((hit) => card(search, hit)))];
}

function summary(heading, command) {
  return h("div", { class: "summary" }, h("p", {}, heading), command ? h("code", { class: "small" }, command) : null);
}

function card(search, hit) {
  return hitCard(search, hit, { open: openRecord, like: (id, title) => similar(search, id, title) });
}

/** Do work that can be stopped, and show what it returns. */
async function working(search, what, work) {
  running?.abort();
  const mine = (running = new AbortController());
  const { results } = search;
  const stop = button("Stop", () => mine.abort());
  results.replaceChildren(h("p", { class: "row" }, h("span", { class: "waiting" }, what), stop));
  try {
    const shown = [await work(mine.signal)].flat();
    if (mine === running) results.replaceChildren(...shown);
  } catch (error) {
    if (mine === running) results.replaceChildren(error.name === "AbortError" ? h("p", { class: "small" }, "Stopped.") : failure(error));
  }
}
