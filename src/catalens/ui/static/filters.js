// Filters on fields: built from the catalogue's own fields and values, or written out.

import { call } from "./api.js";
import { button, h } from "./dom.js";

/** Return a part that builds a filter. */
export function filterField() {
  const written = h("input", { type: "text", placeholder: 'or written: price < 500', "aria-label": "A filter, written out" });
  const field = h("select", { "aria-label": "Field" });
  const value = h("span", { class: "row" });
  const chips = h("span", { class: "where" });
  const conditions = [];
  let fields = [];

  const add = (condition) => {
    conditions.push(condition);
    redraw();
  };
  const redraw = () =>
    chips.replaceChildren(
      ...conditions.map((condition, at) =>
        h(
          "span",
          { class: "chip" },
          condition,
          button("×", () => (conditions.splice(at, 1), redraw()), { "aria-label": `Without the filter ${condition}` }),
        ),
      ),
    );
  field.addEventListener("change", () => {
    const chosen = fields.find((each) => each.name === field.value);
    value.replaceChildren(...(chosen ? valueFields(chosen, add) : []));
  });
  const element = h(
    "fieldset",
    { class: "more" },
    h("legend", {}, "Filter"),
    h("div", { class: "row" }, field, value),
    written,
    chips,
  );
  return {
    element,
    where: () => [...conditions, written.value.trim() && (conditions.length ? `(${written.value.trim()})` : written.value.trim())].filter(Boolean).join(" and "),
    load: async (catalogue) => {
      conditions.length = 0;
      redraw();
      value.replaceChildren();
      fields = (await call(`/v1/catalogues/${encodeURIComponent(catalogue)}/fields`).catch(() => ({ fields: [] }))).fields;
      field.replaceChildren(h("option", { value: "" }, "Field …"), ...fields.map(({ name }) => h("option", { value: name }, name)));
    },
  };
}

function valueFields({ name, kind, values, least, most }, add) {
  const left = /^[A-Za-z_]\w*$/.test(name) ? name : `"${name}"`;
  if (kind === "number") {
    const from = h("input", { type: "number", step: "any", placeholder: String(least), "aria-label": `${name} from` });
    const to = h("input", { type: "number", step: "any", placeholder: String(most), "aria-label": `${name} to` });
    const use = () => {
      const parts = [from.value && `${left} >= ${from.value}`, to.value && `${left} <= ${to.value}`].filter(Boolean);
      if (parts.length) add(parts.join(" and "));
    };
    return [from, h("span", {}, "to"), to, button("Add", use)];
  }
  const choice = h(
    "select",
    { "aria-label": `${name} is` },
    h("option", { value: "" }, "is …"),
    values.map(([value, count]) => h("option", { value: JSON.stringify(value) }, `${value} (${count})`)),
  );
  choice.addEventListener("change", () => {
    if (choice.value) add(`${left} = ${choice.value}`);
    choice.value = "";
  });
  return [choice];
}
