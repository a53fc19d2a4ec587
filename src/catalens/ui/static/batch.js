// The tab of many pictures: a folder, files or a table in, live progress, results to download.

import { ask } from "./api.js";
import { button, failure, h } from "./dom.js";
import { preview } from "./intake.js";
import { modelSelect, knownModels } from "./models.js";
import { download, dropTable, forEach, picturesOf, progressBar, toCsv } from "./tables.js";

const STAGES = {
  tags: { title: "Tags", route: "tags", row: ({ tags }) => ({ tags: tags.map((tag) => tag.label).join("; ") }) },
  attributes: {
    title: "Attributes",
    route: "attributes",
    row: ({ attributes }) => Object.fromEntries(Object.entries(attributes).map(([name, each]) => [name, each.value])),
  },
  caption: { title: "Captions", route: "captions", row: ({ caption }) => ({ caption }) },
  prompt: { title: "Prompts", route: "prompts", query: { mode: "fast" }, row: ({ prompt }) => ({ prompt }) },
  description: { title: "Descriptions", route: "product-description", row: ({ description }) => ({ description }) },
};
const SHOWN = 200;

/** Fill the panel. */
export function start(panel) {
  panel.replaceChildren(welcome(panel));
}

function welcome(panel, problem = null) {
  const open = async (files) => {
    const found = await picturesOf(files);
    if (!found.entries.length) throw new Error("There is no picture among these files. Drop pictures, a folder, or a table together with its pictures.");
    panel.replaceChildren(plan(panel, found));
  };
  return h(
    "div",
    { class: "start" },
    dropTable({
      say: "Drop a folder, files, or a table (CSV) together with its pictures.",
      onfiles: open,
      onproblem: (error) => panel.replaceChildren(welcome(panel, error)),
      camera: false,
    }),
    problem ? failure(problem) : null,
    h("p", { class: "small samples" }, "Thousands of pictures are better off on the command line: ", h("code", {}, "catalens enrich")),
  );
}

function plan(panel, { entries, missing }) {
  const boxes = Object.entries(STAGES).map(([name, { title }]) =>
    h("label", { class: "check" }, h("input", { type: "checkbox", name, checked: name === "tags" || name === "caption" }), title),
  );
  let model = knownModels()[0]?.id;
  const choice = knownModels().length > 1 ? modelSelect("Encoder", model, (id) => (model = id)) : null;
  const begin = (event) => {
    event.preventDefault();
    const chosen = Object.keys(STAGES).filter((name) => event.target.elements[name].checked);
    if (chosen.length) run(panel, entries, chosen, model);
  };
  return h(
    "form",
    { class: "column card", onsubmit: begin },
    h("p", { class: "caption" }, `${entries.length} picture${entries.length === 1 ? "" : "s"}`),
    missing.length ? h("p", { class: "notice" }, `${missing.length} rows of the table name a picture that was not given, such as ${missing[0]}. They are left out.`) : null,
    h("fieldset", {}, h("legend", {}, "What to find"), h("div", { class: "row" }, boxes)),
    choice,
    h("div", { class: "row" }, h("button", { class: "primary" }, "Start"), button("Other pictures", () => panel.replaceChildren(welcome(panel)))),
  );
}

async function run(panel, entries, stages, model) {
  const stop = new AbortController();
  const bar = progressBar(entries.length);
  const head = h("tr", {}, ["Picture", "Name", "Result"].map((name) => h("th", { scope: "col" }, name)));
  const body = h("tbody", {});
  const cancel = button("Cancel", () => stop.abort());
  const actions = h("div", { class: "row" }, cancel);
  panel.replaceChildren(
    h("div", { class: "column" }, bar.element, actions, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Results" }, h("table", {}, h("thead", {}, head), body))),
  );
  const results = [];
  let failed = 0;
  const work = async (entry, at) => {
    const found = await look(entry, stages, model, stop.signal);
    if (!found) return;
    results[at] = found;
    failed += found.row.error ? 1 : 0;
    if (at < SHOWN) body.insertBefore(line(entry, found.row, at), [...body.children].find((row) => Number(row.dataset.at) > at) ?? null);
  };
  await forEach(entries, work, stop.signal, (done) => bar.move(done, failed));
  const kept = results.filter(Boolean);
  cancel.remove();
  actions.append(
    button("Download CSV", () => download(toCsv(kept.map((each) => each.row)), "catalens.csv", "text/csv"), { class: "primary" }),
    button("Download JSON lines", () => download(kept.map((each) => `${JSON.stringify(each.json)}\n`).join(""), "catalens.jsonl", "application/jsonl")),
    button("Other pictures", () => panel.replaceChildren(welcome(panel))),
    h("span", { class: "small" }, stop.signal.aborted ? `Cancelled; ${kept.length} of ${entries.length} are done.` : ""),
  );
}

/** Return what every stage finds in one picture; null where that was cancelled. */
async function look({ file, row }, stages, model, signal) {
  const about = { image: file.webkitRelativePath || file.name, ...row };
  try {
    const found = await Promise.all(stages.map((name) => ask(STAGES[name].route, file, { ...STAGES[name].query, model }, signal)));
    const values = Object.assign({}, ...found.map((each, at) => STAGES[stages[at]].row(each)));
    return { row: { ...about, ...values }, json: Object.assign({}, about, ...found) };
  } catch (error) {
    if (error.name === "AbortError") return null;
    return { row: { ...about, error: error.message }, json: { ...about, error: error.message } };
  }
}

function line({ file }, row, at) {
  const { image, error, ...values } = row;
  const text = error ?? Object.entries(values).filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`).join(" · ");
  return h("tr", { "data-at": String(at) }, h("td", {}, h("div", { class: "thumb" }, preview(file, ""))), h("th", { scope: "row" }, image), h("td", { class: error ? "bad" : "" }, text));
}
