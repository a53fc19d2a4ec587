// The tab of reviews: one question after the other, one key per decision, undo and skip.

import { call, post } from "./api.js";
import { button, copyable, failure, h, percent, spoken } from "./dom.js";
import { pictureOf, titleOf } from "./hits.js";

const REASONS = {
  unsure: "asked because the tags are unsure",
  disagreement: "asked because tags, field or reader disagree",
  sample: "asked at random",
};
const LARGE = 1024;

let panel = null;
let state = null;

/** Fill the panel. */
export function start(element) {
  panel = element;
  panel.replaceChildren(h("p", { class: "small waiting" }, "Looking for reviews …"));
  document.addEventListener("keydown", onKey);
}

/** Show that the catalogues cannot be had. */
export function refused(error) {
  panel.replaceChildren(failure(error));
}

/** Show whose reviews there are. */
export function offer({ catalogues, pictures, reviews }) {
  if (!catalogues.length || !reviews) {
    const say = catalogues.length ? "This service takes no reviews; start it with --reviews." : "No catalogue is open yet.";
    panel.replaceChildren(h("div", { class: "start" }, h("p", { class: "caption" }, say)));
    return;
  }
  const name = h("input", { type: "text", maxlength: "100", required: true, autocomplete: "nickname" });
  name.value = sessionStorage.getItem("catalens-reviewer") ?? "";
  const catalogue = h("select", {}, catalogues.map((each) => h("option", { value: each.name }, each.name)));
  const begin = (event) => {
    event.preventDefault();
    sessionStorage.setItem("catalens-reviewer", name.value.trim());
    state = { name: () => catalogue.value, pictures, reviewer: name.value.trim(), item: null, busy: false };
    open();
  };
  panel.replaceChildren(
    h(
      "div",
      { class: "start" },
      h("p", { class: "caption" }, "Decide what the models are unsure of."),
      h("p", {}, "One picture and one question at a time. Several people can review at once; nobody gets a question that another has."),
      h(
        "form",
        { class: "column card", onsubmit: begin },
        h("label", { class: "field" }, "Your name, which stands beside your decisions", name),
        catalogues.length > 1 ? h("label", { class: "field" }, "Catalogue", catalogue) : null,
        h("div", {}, h("button", { class: "primary" }, "Begin")),
      ),
    ),
  );
}

const path = (part = "") => `/v1/catalogues/${encodeURIComponent(state.name())}/review${part}`;

async function open() {
  try {
    const { questions, progress } = await call(path());
    state.questions = questions;
    if (progress.total) await next();
    else empty();
  } catch (error) {
    panel.replaceChildren(failure(error));
  }
}

function empty() {
  panel.replaceChildren(
    h(
      "div",
      { class: "start" },
      h("p", { class: "caption" }, "This catalogue has no questions yet."),
      h("p", {}, "Look through it for what the models are unsure of, and come back:"),
      copyable(`catalens review fill ${state.name()}.catalens`, "the command"),
      h("div", {}, button("Look again", open)),
    ),
  );
}

async function next() {
  show(await post(path("/next"), { reviewer: state.reviewer }));
}

function show({ item, progress }) {
  state.item = item;
  if (item) panel.replaceChildren(meter(progress), question(item));
  else panel.replaceChildren(meter(progress), finished());
  panel.querySelector(".choices button")?.focus({ preventScroll: true });
}

function meter({ total, decided, leased, reviewers }) {
  const mine = reviewers[state.reviewer] ?? 0;
  const others = leased > 1 ? `, ${leased - 1} on other screens` : "";
  return h(
    "div",
    { class: "review-progress" },
    h("progress", { max: String(total), value: String(decided), "aria-label": "Decided questions" }),
    h("p", { class: "small number" }, `${decided} of ${total} decided, ${mine} by you${others}`),
  );
}

function question(item) {
  const { words, labels } = state.questions[item.question] ?? { words: spoken(item.question), labels: [] };
  const title = titleOf(item);
  const choices = item.candidates.slice(0, 9).map(({ label, score }, at) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", onclick: () => choose(label), "aria-keyshortcuts": String(at + 1) },
        h("kbd", {}, String(at + 1)),
        h("span", { class: "label" }, label),
        h("span", { class: "small number" }, score > 0 ? percent(score) : "its field"),
      ),
    ),
  );
  const other = h("input", { type: "text", list: "review-labels", placeholder: "another value", "aria-label": "Another value" });
  const another = (event) => {
    event.preventDefault();
    const found = labels.find((each) => each.toLowerCase() === other.value.trim().toLowerCase());
    if (found) choose(found);
    else report(new Error(`“${other.value}” is no value of ${spoken(item.question).toLowerCase()}. Choose one of the list.`));
  };
  const keep = item.before === null ? null : act("y", `Keep “${item.before}”`, () => decide("accepted"));
  return h(
    "div",
    { class: "desk" },
    h("div", { class: "column" }, h("figure", { class: "card shown" }, pictureOf(state, item, LARGE, `The picture of ${title}`), h("figcaption", { class: "small" }, title))),
    h(
      "div",
      { class: "card column review" },
      h("div", {}, h("h2", {}, `${spoken(item.question)} · ${REASONS[item.reason]}`), h("p", { class: "caption" }, words)),
      h("p", {}, "Now: ", h("strong", {}, item.before ?? "nothing")),
      h("ol", { class: "choices" }, choices),
      h("form", { class: "row", onsubmit: another }, other, h("datalist", { id: "review-labels" }, labels.map((value) => h("option", { value }))), h("button", {}, "Use this value")),
      h("div", { class: "row" }, keep, act("u", "Cannot be told", () => decide("unknown")), act("s", "Skip", () => decide("skipped")), act("b", "Undo", undo)),
      h("div", { class: "report" }),
    ),
  );
}

function act(key, text, onclick) {
  return h("button", { type: "button", onclick, "aria-keyshortcuts": key, "data-key": key }, h("kbd", {}, key.toUpperCase()), ` ${text}`);
}

function finished() {
  return h(
    "div",
    { class: "start" },
    h("p", { class: "caption" }, "Nothing is left for you to decide."),
    h("p", {}, "Skipped questions wait for others. What was decided becomes labelled rows and training pairs:"),
    copyable(`catalens review export ${state.name()}.catalens --labelled labelled.csv --pairs corrections.jsonl`, "the command"),
    h("div", { class: "row" }, act("b", "Undo", undo), button("Look again", open)),
    h("div", { class: "report" }),
  );
}

const choose = (label) => decide("corrected", label);

function decide(verdict, value = null) {
  const token = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
  const body = { reviewer: state.reviewer, item: state.item.item, verdict, value, token };
  return working(() => send(body));
}

async function send(body) {
  try {
    await post(path("/decisions"), body);
  } catch (error) {
    if (error.status === 0) throw Object.assign(error, { again: () => working(() => send(body)) });
    if (error.status !== 409) throw error;
    await next();
    report(error);
    return;
  }
  await next();
}

function undo() {
  return working(async () => {
    const found = await post(path("/undo"), { reviewer: state.reviewer });
    if (found.item) show(found);
    else report(new Error("There is nothing to undo."));
  });
}

async function working(work) {
  if (state.busy) return;
  state.busy = true;
  try {
    await work();
  } catch (error) {
    report(error);
  } finally {
    state.busy = false;
  }
}

function report(error) {
  const again = error.again ? button("Send it again", error.again) : null;
  panel.querySelector(".report")?.replaceChildren(failure(error), ...(again ? [again] : []));
}

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (!state || panel.hidden || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const pressed = /^[1-9]$/.test(event.key)
    ? panel.querySelectorAll(".choices button")[Number(event.key) - 1]
    : panel.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!pressed) return;
  event.preventDefault();
  pressed.click();
}
