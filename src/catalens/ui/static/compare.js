// The tab of two models side by side: on one picture, or on a labelled table with a paired test.

import { ask } from "./api.js";
import { bars, button, failure, h, listed, percent } from "./dom.js";
import { onPaste, preview } from "./intake.js";
import { knownModels, modelLabel, modelSelect } from "./models.js";
import { dropTable, forEach, picturesOf, progressBar } from "./tables.js";

const MOST_LABELS = 200;
let pair = null;

/** Fill the panel. */
export function start(panel) {
  onPaste(panel, (file) => pair && onePicture(panel, file));
}

/** Show the panel once the models are known. */
export function offer(panel) {
  const models = knownModels();
  if (models.length < 2) {
    panel.replaceChildren(
      h("div", { class: "start" }, h("p", { class: "caption" }, "One model is served, and two are needed."), h("pre", { class: "card", tabindex: "0" }, "catalens ui --model starter --model ViT-L-14/openai")),
    );
    return;
  }
  pair ??= [models.at(1).id, models.at(2)?.id ?? models[0].id];
  panel.replaceChildren(welcome(panel));
}

function welcome(panel, problem = null) {
  const open = async (files) => {
    if (files.length === 1 && !/\.(csv|tsv)$/i.test(files[0].name)) return onePicture(panel, files[0]);
    const found = await picturesOf(files);
    if (!found.columns.length) throw new Error("To compare on several pictures, drop them together with a table (CSV) that says what is right.");
    return panel.replaceChildren(plan(panel, found));
  };
  return h(
    "div",
    { class: "start" },
    h("div", { class: "row models" }, choosers()),
    dropTable({
      say: "Drop a picture, or a labelled table (CSV) together with its pictures.",
      onfiles: open,
      onproblem: (error) => panel.replaceChildren(welcome(panel, error)),
    }),
    problem ? failure(problem) : null,
  );
}

function choosers(onchange = () => {}) {
  return [0, 1].map((side) => modelSelect(side ? "and" : "Compare", pair[side], (id) => ((pair[side] = id), onchange())));
}

const nameOf = (id) => modelLabel(knownModels().find((each) => each.id === id));

let running = null;

function onePicture(panel, file) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const labels = h("input", { type: "text", placeholder: "a red dress, a blue shirt", "aria-label": "Labels, comma-separated; empty reads the model's schema" });
  const sides = h("div", { class: "sides", "aria-live": "polite" });
  const compare = () => {
    const asked = listed(labels.value);
    sides.replaceChildren(
      ...pair.map((model) => {
        const body = h("div", {}, h("p", { class: "small waiting" }, "Looking …"));
        const query = { model, top: asked.length || 10, labels: asked.join(",") };
        ask("tags", file, query, signal).then(
          ({ tags }) => body.replaceChildren(tags.length ? bars(tags) : h("p", { class: "small" }, "No tag is likely enough.")),
          (error) => body.replaceChildren(error.name === "AbortError" ? "Stopped." : failure(error)),
        );
        return h("section", { class: "card" }, h("header", {}, h("h2", {}, nameOf(model))), body);
      }),
    );
  };
  panel.replaceChildren(
    h(
      "div",
      { class: "column" },
      h("div", { class: "row models" }, choosers(compare)),
      h("form", { class: "row", onsubmit: (event) => (event.preventDefault(), compare()) }, labels, h("button", { class: "primary" }, "Use these labels"), button("Another picture", () => panel.replaceChildren(welcome(panel)))),
      h("div", { class: "desk" }, h("figure", { class: "card shown" }, preview(file, `The picture ${file.name}`)), sides),
    ),
  );
  compare();
}

function plan(panel, { entries, columns }) {
  const column = h("select", {}, columns.map((name) => h("option", {}, name)));
  const begin = (event) => {
    event.preventDefault();
    const labelled = entries.filter((entry) => entry.row[column.value]);
    const labels = [...new Set(labelled.map((entry) => entry.row[column.value]))];
    if (labels.length < 2 || labels.length > MOST_LABELS) {
      const problem = new Error(`The column ${column.value} has ${labels.length} different values; 2 to ${MOST_LABELS} can be compared.`);
      event.target.querySelector(".report").replaceChildren(failure(problem));
      return;
    }
    run(panel, labelled, labels, column.value);
  };
  return h(
    "form",
    { class: "column card", onsubmit: begin },
    h("p", { class: "caption" }, `${entries.length} pictures with rows`),
    h("div", { class: "row models" }, choosers()),
    h("label", { class: "field" }, "Column that says what is right", column),
    h("div", { class: "row" }, h("button", { class: "primary" }, "Compare"), button("Other pictures", () => panel.replaceChildren(welcome(panel)))),
    h("div", { class: "report" }),
  );
}

async function run(panel, entries, labels, column) {
  const stop = new AbortController();
  const models = [...pair];
  const bar = progressBar(entries.length);
  const cancel = button("Cancel", () => stop.abort());
  const summary = h("div", { class: "column", "aria-live": "polite" });
  panel.replaceChildren(h("div", { class: "column" }, bar.element, h("div", { class: "row" }, cancel, button("Other pictures", () => (stop.abort(), panel.replaceChildren(welcome(panel))))), summary));
  const judged = [];
  let failed = 0;
  const work = async ({ file, row }) => {
    try {
      const found = await Promise.all(models.map((model) => ask("tags", file, { model, labels: labels.join(","), top: 1 }, stop.signal)));
      judged.push({ file, right: row[column], said: found.map(({ tags }) => tags[0]?.label ?? "nothing") });
    } catch (error) {
      if (error.name !== "AbortError") failed += 1;
    }
  };
  await forEach(entries, work, stop.signal, (done) => bar.move(done, failed));
  cancel.remove();
  if (judged.length) summary.replaceChildren(...verdict(models, judged, stop.signal.aborted));
}

function verdict(models, judged, cancelled) {
  const right = models.map((_, side) => judged.filter((each) => each.said[side] === each.right).length);
  const only = [0, 1].map((side) => judged.filter((each) => each.said[side] === each.right && each.said[1 - side] !== each.right).length);
  const rows = models.map((model, side) => {
    const [least, most] = interval(right[side], judged.length);
    return h("tr", {}, h("th", { scope: "row" }, nameOf(model)), h("td", { class: "number" }, percent(right[side] / judged.length)), h("td", { class: "number" }, `${percent(least)} to ${percent(most)}`), h("td", { class: "number" }, String(only[side])));
  });
  const p = signTest(only[0], only[1]);
  const differing = judged.filter((each) => each.said[0] !== each.said[1]);
  return [
    h("p", { class: "caption" }, p < 0.05 ? `${nameOf(models[only[0] > only[1] ? 0 : 1])} is better on these pictures.` : "No difference that chance would not explain."),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Accuracy" }, h("table", {}, h("thead", {}, h("tr", {}, ["Model", "Right", "95 % interval", "Right alone"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows))),
    h("p", { class: "small" }, `${judged.length} pictures${cancelled ? ", then cancelled" : ""}; exact McNemar test, p = ${p < 0.001 ? "< 0.001" : p.toFixed(3)}.`),
    differing.length ? h("h2", {}, `Where they differ (${differing.length})`) : null,
    h("div", { class: "grid" }, differing.slice(0, 48).map((each) => difference(models, each))),
  ].filter(Boolean);
}

function difference(models, { file, right, said }) {
  const lines = models.map((model, side) => h("p", { class: said[side] === right ? "facts good" : "facts bad" }, `${nameOf(model)}: ${said[side]}`));
  return h("article", { class: "hit" }, preview(file, ""), h("div", { class: "text" }, h("p", { class: "title" }, right), lines));
}

/** Return the 95 % interval of a share, after Wilson (1927). */
function interval(count, n) {
  const z = 1.96;
  const share = count / n;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Return the two-sided probability of so uneven a split by chance: McNemar's test, exact. */
function signTest(a, b) {
  const n = a + b;
  let term = 0.5 ** n;
  let tail = 0;
  for (let k = 0; k <= Math.min(a, b); k += 1) {
    tail += term;
    term *= (n - k) / (k + 1);
  }
  return Math.min(1, 2 * tail);
}
