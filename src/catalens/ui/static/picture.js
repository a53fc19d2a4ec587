// The tab of one picture: caption, tags, attributes, prompt, description, and a conversation about it.

import { ask } from "./api.js";
import { conversation } from "./conversation.js";
import { bar, bars, button, copyable, failure, h, listed, percent, sameElsewhere, shell, spoken } from "./dom.js";
import { dropPlace, onPaste, preview } from "./intake.js";
import { captionerFlag, encoderFlag, modelField, readerFlag } from "./models.js";

const SAMPLES = { shirt: "A drawn shirt", bag: "A drawn handbag", "t-shirt": "A drawn t-shirt", backpack: "A drawn backpack" };

/** Fill the panel. */
export function start(panel) {
  onPaste(panel, (file) => open(file));
  panel.addEventListener("open-picture", (event) => open(event.detail));
  const open = (file) => show(panel, file, open);
  panel.replaceChildren(welcome(open));
}

function welcome(open) {
  const samples = Object.entries(SAMPLES).map(([name, about]) =>
    h(
      "button",
      { type: "button", "aria-label": `Try ${about.toLowerCase()}`, onclick: async () => open(await sampleFile(name)) },
      h("img", { src: `/ui/sample-${name}.jpg`, alt: "", width: "84", height: "104" }),
    ),
  );
  return h(
    "div",
    { class: "start" },
    dropPlace({ say: "Drop a picture here, or paste one, and see what is in it.", onfiles: ([file]) => open(file) }),
    h("div", { class: "column" }, h("p", { class: "small samples" }, "Or try one of these:"), h("div", { class: "samples" }, samples)),
  );
}

async function sampleFile(name) {
  const response = await fetch(`/ui/sample-${name}.jpg`);
  return new File([await response.blob()], `${name}.jpg`, { type: "image/jpeg" });
}

let current = null;

function show(panel, file, open) {
  current?.leave();
  const cards = new AbortController();
  const { signal } = cards;
  const models = modelField(() => show(panel, file, open));
  const context = { file, signal, name: file.name || "picture.jpg", model: models.value };
  const talk = conversation(context);
  current = { signal, leave: () => (cards.abort(), talk.leave()) };
  const stop = button("Stop", () => cards.abort(), { class: "quiet" });
  const results = h("div", { class: "column", "aria-live": "polite", "aria-busy": "true" });
  const another = dropPlace({ say: "Another picture: drop, paste, or", onfiles: ([next]) => open(next), small: true });
  panel.replaceChildren(
    h(
      "div",
      { class: "desk" },
      h(
        "div",
        { class: "column" },
        h(
          "figure",
          { class: "card shown" },
          preview(file, `The picture ${context.name}`),
          h("figcaption", { class: "small" }, h("span", {}, context.name), stop),
        ),
        models.field,
        talk.element,
        another,
      ),
      results,
    ),
  );
  const working = CARDS.map((card) => run(card, context, results));
  Promise.allSettled(working).then(() => {
    if (signal !== current.signal) return;
    results.setAttribute("aria-busy", "false");
    stop.hidden = true;
  });
}

const CARDS = [
  {
    title: "Caption",
    route: "captions",
    command: ["caption"],
    modelFlags: readerFlag,
    show: (found) => h("p", { class: "caption" }, found.caption),
  },
  { title: "Tags", route: "tags", command: ["tag"], query: { top: 8 }, show: (found) => tagList(found), extra: ownLabels },
  { title: "Attributes", route: "attributes", command: ["attributes"], show: (found) => traits(found.attributes) },
  {
    title: "Prompt",
    route: "prompts",
    command: ["prompt"],
    flags: ["--mode", "fast"],
    modelFlags: (model) => [...encoderFlag(model), ...captionerFlag(model)],
    query: { mode: "fast" },
    show: (found) => copyable(found.prompt, "the prompt"),
  },
  {
    title: "Description",
    route: "product-description",
    command: ["describe"],
    show: (found) => h("p", { class: "said" }, found.description),
    foot: "Of products: it says every attribute above, and adds none.",
  },
];

function run(card, context, results) {
  const body = h("div", {});
  const section = h("section", { class: "card" }, h("header", {}, h("h2", {}, card.title)), body);
  results.append(section);
  if (card.extra) section.append(card.extra(card, context, body));
  return fill(card, context, body, card.query ?? {}, card.flags ?? []);
}

async function fill(card, context, body, query, flags) {
  body.replaceChildren(h("p", { class: "small waiting" }, "Looking …"));
  try {
    const found = await ask(card.route, context.file, { ...query, model: context.model }, context.signal);
    const models = (card.modelFlags ?? encoderFlag)(context.model);
    const command = shell("catalens", ...card.command, context.name, ...flags, ...models);
    body.replaceChildren(
      card.show(found),
      card.foot ? h("p", { class: "small" }, card.foot) : "",
      sameElsewhere(command, found),
    );
  } catch (error) {
    body.replaceChildren(error.name === "AbortError" ? h("p", { class: "small" }, "Stopped.") : failure(error));
  }
}

function tagList({ tags }) {
  return tags.length ? bars(tags) : h("p", { class: "small" }, "No tag is likely enough.");
}

/** Return the field for labels of the user's own. */
function ownLabels(card, context, body) {
  const field = h("input", { type: "text", placeholder: "a red dress, a blue shirt", "aria-label": "Your own labels, comma-separated" });
  const choose = () => {
    const labels = listed(field.value);
    const query = labels.length ? { ...card.query, labels: labels.join(",") } : card.query;
    fill(card, context, body, query, labels.length ? ["--labels", labels.join(", ")] : []);
  };
  return h("form", { class: "row", onsubmit: (event) => (event.preventDefault(), choose()) }, field, h("button", {}, "Use these labels"));
}

function traits(attributes) {
  const rows = Object.entries(attributes).map(([name, each]) => {
    const unknown = each.value === "unknown";
    const others = each.runners_up.filter((other) => other.score >= 0.05).map((other) => `${other.label} ${percent(other.score)}`);
    return h(
      "div",
      {},
      h("dt", {}, spoken(name)),
      h(
        "dd",
        {},
        h("span", { class: unknown ? "value unknown" : "value" }, (each.values ?? [each.value]).join(", ")),
        h("span", { class: "number" }, percent(each.confidence)),
        bar(each.confidence, "meter"),
        others.length ? h("span", { class: "or" }, `or ${others.join(", ")}`) : null,
      ),
    );
  });
  return rows.length ? h("dl", { class: "traits" }, rows) : h("p", { class: "small" }, "No attribute applies.");
}
