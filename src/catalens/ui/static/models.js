// Which models the service has, and the field that chooses one.

import { call } from "./api.js";
import { h } from "./dom.js";

let models = [];

/** Ask the service for its models, once. */
export async function loadModels() {
  models = (await call("/v1/models")).data;
  return models;
}

/** Return the models that are known. */
export function knownModels() {
  return models;
}

/** Return a model's name for people. */
export function modelLabel({ id, encoder }) {
  return encoder === null ? "Chosen by the picture" : id === encoder ? id : `${id} (${encoder})`;
}

/** Return the flags that give a command which tags a model's encoder. */
export function encoderFlag(id) {
  const encoder = models.find((each) => each.id === id)?.encoder;
  return encoder ? ["--model", encoder] : [];
}

const DEFAULT_READER = "starter"; // of the command line

function flagOfReader(flag, id) {
  const reader = models.find((each) => each.id === id)?.reader ?? DEFAULT_READER;
  return reader === DEFAULT_READER ? [] : [flag, reader];
}

/** Return the flags that give a command which captions or answers a model's reader. */
export const readerFlag = (id) => flagOfReader("--model", id);

/** Return the flags that give `catalens prompt` a model's reader. */
export const captionerFlag = (id) => flagOfReader("--captioner", id);

let chosen = null;

/** Return the field that chooses the model of the Picture tab, and the choice so far. */
export function modelField(onchange) {
  if (models.length < 2) return { field: null, value: models[0]?.id ?? null };
  const value = chosen ?? models[0].id;
  const field = modelSelect("Encoder of tags and attributes", value, (picked) => {
    chosen = picked;
    onchange();
  });
  return { field, value };
}

/** Return a labelled list of the models. */
export function modelSelect(label, value, onchange) {
  const options = models.map((each) => h("option", { value: each.id, selected: each.id === value }, modelLabel(each)));
  return h("label", { class: "field" }, label, h("select", { onchange: (event) => onchange(event.target.value) }, options));
}
