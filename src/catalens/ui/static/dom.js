// Making elements, and the small things that every tab shows.

/** Return an element; properties that begin with "on" are listeners, booleans are attributes without a value. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return element;
}

/** Return a button that does something when it is pressed. */
export function button(text, onclick, properties = {}) {
  return h("button", { type: "button", onclick, ...properties }, text);
}

/** Return what says the group of a label, where two groups have that label. */
function groupNames(rows) {
  const counts = new Map();
  for (const { label } of rows) counts.set(label, (counts.get(label) ?? 0) + 1);
  return (label, group) => (counts.get(label) > 1 && group ? h("span", { class: "group" }, spoken(group)) : null);
}

/** Return a probability as people read it. */
export function percent(share) {
  const value = share * 100;
  return value > 0 && value < 1 ? "<1 %" : `${Math.round(value)} %`;
}

/** Return a horizontal bar; its number stands beside it, so it says nothing to a screen reader. */
export function bar(share, kind = "bar") {
  const filled = h("span");
  filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h("div", { class: kind, "aria-hidden": "true" }, filled);
}

/** Return labels with their probabilities, as a list of bars. */
export function bars(rows) {
  const named = groupNames(rows);
  return h(
    "ul",
    { class: "bars" },
    rows.map(({ label, score, group }) =>
      h("li", {}, h("span", { class: "label" }, label, named(label, group)), bar(score), h("span", { class: "number" }, percent(score))),
    ),
  );
}

/** Return an error as a sentence. */
export function failure(error) {
  return h("p", { class: "notice bad", role: "alert" }, error.message);
}

/** Return "sleeve_length" as "Sleeve length". */
export function spoken(name) {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return a text with a button that copies it. */
export function copyable(text, label) {
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  copy.setAttribute("aria-label", `Copy ${label}`);
  return h("div", { class: "code" }, h("pre", { tabindex: "0", "aria-label": label }, text), copy);
}

/** Return the foldable part that gives a result again: as JSON, and as a command unless that is null. */
export function sameElsewhere(command, json) {
  return h(
    "details",
    { class: "same" },
    h("summary", {}, command === null ? "The same as JSON" : "The same on the command line, and as JSON"),
    command === null ? null : copyable(command, "the command"),
    copyable(JSON.stringify(json, null, 2), "the JSON"),
  );
}

/** Return words as a shell takes them. */
export function shell(...words) {
  return words
    .filter((word) => word !== null && word !== "")
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${String(word).replaceAll("'", "'\\''")}'`))
    .join(" ");
}

/** Return the parts of a text that commas separate. */
export function listed(text) {
  return text
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
}

/** Show a dialog until it is closed; the focus goes back to where it was. */
export function showDialog(label, ...content) {
  const dialog = h("dialog", { "aria-label": label }, ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
