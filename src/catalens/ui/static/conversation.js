// A conversation about one picture: one question after the other, each with what was said before it.

import { post } from "./api.js";
import { bars, button, failure, h, listed, sameElsewhere, shell } from "./dom.js";
import { dataAddress } from "./intake.js";
import { readerFlag } from "./models.js";

const MOST_TURNS = 100; // of the service
const ALONE =
  "This reader answers each question on its own: what was asked and answered before does not reach it. " +
  "Readers that keep a conversation, such as BLIP-2 and chat models, are chosen with ";

/** Return the card of a conversation, and what ends it when its picture goes. */
export function conversation({ file, name, model }) {
  const log = h("div", { class: "talk", role: "log", "aria-label": "Questions and answers", tabindex: "0" });
  const note = h("p", { class: "small", role: "status", hidden: true });
  const question = h("input", { type: "text", placeholder: "What colour is it?", "aria-label": "Your question", required: true });
  const choices = h("input", { type: "text", placeholder: "red, blue, green", "aria-label": "Answers to choose from, comma-separated; may be empty" });
  const more = h("details", {}, h("summary", { class: "small" }, "Answers to choose from"), choices);
  const over = button("Start over", () => begin(), { class: "quiet", hidden: true });
  let image = null;
  let talk = null;

  const begin = () => {
    talk?.stop.abort();
    talk = { turns: [], last: Promise.resolve(), stop: new AbortController() };
    log.replaceChildren();
    over.hidden = note.hidden = true;
  };
  const put = (event) => {
    event.preventDefault();
    const asked = { question: question.value.trim(), choices: listed(choices.value) };
    const answer = h("div", { class: "answered" });
    log.append(h("div", {}, h("p", { class: "asked" }, asked.question), answer));
    question.value = "";
    over.hidden = false;
    image ??= dataAddress(file);
    const { turns, last, stop } = talk;
    // A question waits for the answers before it, since they are part of what is asked.
    talk.last = last.then(() => settle(answer, stop.signal, (signal) => reply(asked, turns, signal)));
  };
  const reply = async (asked, turns, signal) => {
    const before = turns.slice(-MOST_TURNS);
    const history = before.map((turn) => ({ question: turn.question, answer: turn.answer }));
    const found = await post("/v1/answers", { image: await image, model, ...asked, history }, signal);
    if (found.keeps_history) turns.push({ ...asked, answer: found.answer });
    else tellOnce(note);
    return said(found, commandOf(name, model, before, asked));
  };

  begin();
  const form = h("form", { class: "column", onsubmit: put }, h("div", { class: "row" }, question, h("button", { class: "primary" }, "Ask")), more);
  const heading = h("header", {}, h("h2", {}, "Ask about the picture"), over);
  const element = h("section", { class: "card", "aria-label": "Ask about the picture" }, heading, log, note, form);
  return { element, leave: () => talk.stop.abort() };
}

/** Show an answer in its place when it comes; it can be stopped until then. */
async function settle(place, ended, reply) {
  const stop = new AbortController();
  const end = () => stop.abort();
  ended.addEventListener("abort", end);
  if (ended.aborted) end();
  place.replaceChildren(h("span", { class: "waiting" }, "…"), button("Stop", end, { class: "quiet" }));
  try {
    place.replaceChildren(...(await reply(stop.signal)));
  } catch (error) {
    place.replaceChildren(error.name === "AbortError" ? h("p", { class: "small" }, "Stopped.") : failure(error));
  } finally {
    ended.removeEventListener("abort", end);
  }
  const log = place.closest(".talk");
  if (log) log.scrollTop = log.scrollHeight;
}

function tellOnce(note) {
  if (note.hidden) note.replaceChildren(ALONE, h("code", {}, "--reader"), ".");
  note.hidden = false;
}

/** Return the command that asks the same; null where no command does: its --answers are those of every question. */
function commandOf(name, model, before, asked) {
  const allowed = asked.choices.join(",");
  if (before.some((turn) => turn.choices.join(",") !== allowed)) return null;
  const questions = [...before, asked].map((each) => each.question);
  const chat = before.length ? ["--chat"] : [];
  const answers = allowed ? ["--answers", allowed] : [];
  return shell("catalens", "ask", name, ...questions, ...chat, ...answers, ...readerFlag(model));
}

function said(found, command) {
  const shares = Object.entries(found.probabilities ?? {}).map(([label, score]) => ({ label, score }));
  const parts = [h("p", {}, found.answer)];
  if (shares.length) parts.push(bars(shares.toSorted((a, b) => b.score - a.score)));
  return [...parts, sameElsewhere(command, found)];
}
