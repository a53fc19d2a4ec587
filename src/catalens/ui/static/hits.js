// Records as cards in a grid, and one of them at large.

import { recordPicture } from "./api.js";
import { button, h, showDialog } from "./dom.js";

const TITLES = new Set(["title", "productdisplayname", "product_name", "item_name", "name"]);
const CARD_SIZE = 384;
const LARGE_SIZE = 1024;

/** Return the title of a record: a field that is one by its name, else the id. */
export function titleOf({ id, fields }) {
  const name = Object.keys(fields).find((each) => TITLES.has(each.toLowerCase()));
  return name ? String(fields[name]) : id;
}

/** Return the picture of a record, as it arrives; what cannot be shown says so. */
export function pictureOf(search, record, size, alt) {
  const place = h("div", { class: "no-picture" }, search.pictures ? "…" : "Pictures are not shown by this service");
  if (!search.pictures) return place;
  recordPicture(search.name(), record.id, size).then(
    (blob) => {
      const address = URL.createObjectURL(blob);
      place.replaceWith(h("img", { src: address, alt, onload: () => URL.revokeObjectURL(address) }));
    },
    (error) => place.replaceChildren(error.message),
  );
  return place;
}

/** Return a card of a hit. */
export function hitCard(search, hit, { open, like }) {
  const title = titleOf(hit);
  const facts = Object.entries(hit.fields).filter(([, value]) => String(value) !== title).slice(0, 3);
  const show = h(
    "button",
    { type: "button", class: "open", "aria-label": `Open ${title}`, onclick: () => open(search, hit) },
    pictureOf(search, hit, CARD_SIZE, ""),
  );
  return h(
    "article",
    { class: "hit" },
    show,
    h(
      "div",
      { class: "text" },
      h("p", { class: "title" }, title),
      h("p", { class: "facts" }, facts.map(([, value]) => value).join(" · ")),
    ),
    h(
      "div",
      { class: "end" },
      hit.score === undefined ? h("span") : h("span", { class: "number", title: "Cosine with the query" }, hit.score.toFixed(3)),
      button("More like this", () => like(hit.id, title), { class: "link", "aria-label": `More like ${title}` }),
    ),
  );
}

/** Show a record at large, with its fields. */
export function openRecord(search, record) {
  const title = titleOf(record);
  const fields = Object.entries({ id: record.id, ...record.fields }).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]);
  const look = button("Look at it in Picture", async () => {
    const blob = await recordPicture(search.name(), record.id, LARGE_SIZE);
    dialog.close();
    const name = record.id.split("/").at(-1);
    document.dispatchEvent(new CustomEvent("look-at", { detail: new File([blob], name, { type: blob.type }) }));
  });
  const content = h(
    "div",
    { class: "record" },
    pictureOf(search, record, LARGE_SIZE, `The picture of ${title}`),
    h(
      "div",
      {},
      h("h3", {}, title),
      h("dl", {}, fields),
      h("div", { class: "row" }, search.pictures ? look : null, button("Close", () => dialog.close(), { class: "primary", autofocus: true })),
    ),
  );
  const dialog = showDialog(title, content);
}
