// Tables in and out, and many requests at a time.

import { h } from "./dom.js";
import { dropPlace } from "./intake.js";

const IMAGE_COLUMNS = new Set(["image", "file_name", "filename", "file", "picture", "path", "image_path", "url"]);
const AT_ONCE = 4;

/** Return the rows of a CSV or TSV file as objects. */
export function parseTable(text) {
  const clean = text.replace(/^\uFEFF/, "");
  const head = clean.slice(0, clean.search(/\r?\n|$/));
  const separator = [",", ";", "\t"].toSorted((a, b) => head.split(b).length - head.split(a).length)[0];
  const lines = cells(clean, separator).filter((line) => line.length > 1 || line[0] !== "");
  const names = (lines.shift() ?? []).map((name) => name.trim());
  return lines.map((line) => Object.fromEntries(names.map((name, at) => [name, (line[at] ?? "").trim()])));
}

function cells(text, separator) {
  const lines = [[""]];
  const put = (letter) => lines.at(-1).push(lines.at(-1).pop() + letter);
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted && letter !== '"') put(letter);
    else if (quoted && text[at + 1] === '"') put(text[++at]);
    else if (quoted) quoted = false;
    else if (letter === '"' && lines.at(-1).at(-1) === "") quoted = true;
    else if (letter === separator) lines.at(-1).push("");
    else if (letter === "\n") lines.push([""]);
    else if (letter !== "\r") put(letter);
  }
  return lines;
}

/** Return a place to drop pictures, or a table with its pictures; what goes wrong with them is handed to `onproblem`. */
export function dropTable({ say, onfiles, onproblem, camera = true }) {
  const take = (files) => onfiles(files).catch(onproblem);
  return dropPlace({ say, onfiles: take, multiple: true, accept: "image/*,.heic,.heif,.avif,.csv,.tsv", camera });
}

/** Return pictures with the rows that a table among the files has about them; without a table, every picture. */
export async function picturesOf(files) {
  const table = files.find((file) => /\.(csv|tsv)$/i.test(file.name));
  const pictures = files.filter((file) => file !== table && (file.type.startsWith("image/") || /\.(heic|heif|avif)$/i.test(file.name)));
  if (!table) return { entries: pictures.map((file) => ({ file, row: {} })), columns: [], missing: [] };
  const rows = parseTable(await table.text());
  const columns = Object.keys(rows[0] ?? {});
  const column = columns.find((name) => IMAGE_COLUMNS.has(name.toLowerCase()));
  if (!column) throw new Error(`${table.name} names no pictures; give it a column “image” with the name of each row's picture.`);
  const byName = new Map(pictures.map((file) => [file.name, file]));
  const entries = rows.map((row) => ({ row, name: row[column], file: byName.get(row[column].split(/[\\/]/).at(-1)) }));
  return {
    entries: entries.filter((entry) => entry.file),
    columns: columns.filter((name) => name !== column),
    missing: entries.filter((entry) => !entry.file).map((entry) => entry.name),
  };
}

/** Do work for every entry, a few at a time, until all are done or the signal says stop. */
export async function forEach(entries, work, signal, onprogress) {
  let following = 0;
  let done = 0;
  const worker = async () => {
    while (following < entries.length && !signal.aborted) {
      const at = following++;
      await work(entries[at], at);
      onprogress(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, entries.length) }, worker));
}

/** Return rows as CSV; what a spreadsheet program would run as a formula gets an apostrophe before it. */
export function toCsv(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))];
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value) {
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Save a text as a file. */
export function download(text, name, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Return a progress bar with its words, and a function that moves it. */
export function progressBar(total) {
  const element = h("progress", { max: String(total), value: "0", "aria-label": "Progress" });
  const words = h("p", { class: "small number", role: "status" }, `0 of ${total}`);
  const started = performance.now();
  const move = (done, failed) => {
    element.value = done;
    const left = done ? Math.round((((performance.now() - started) / done) * (total - done)) / 1000) : 0;
    const rest = done < total ? `, about ${left} s left` : ` in ${Math.round((performance.now() - started) / 1000)} s`;
    words.textContent = `${done} of ${total}${rest}${failed ? `, ${failed} failed` : ""}`;
  };
  return { element: h("div", { class: "review-progress" }, element, words), move };
}
