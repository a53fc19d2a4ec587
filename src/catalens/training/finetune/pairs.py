"""Pairs of question and answer about an image, in the row formats that people have, and question templates in YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from catalens.core.errors import InputError
from catalens.tasks.yaml_files import parse_yaml

Fields = Mapping[str, Any]
_IMAGE_MARK = "<image>"
_PICTURE_PARTS = frozenset({"image", "image_url"})
_ASKING, _ANSWERING = ("user", "human"), ("assistant", "gpt", "model")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question about an image and its answer.

    Attributes:
        question: as the model is asked.
        answer: as the model shall answer.
        attribute: what the question is about; empty where that is unknown.
    """

    question: str
    answer: str
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """Questions about one attribute.

    Attributes:
        attribute: its name.
        columns: that may hold the answer, the first one first.
        questions: at least one.
    """

    attribute: str
    columns: tuple[str, ...]
    questions: tuple[str, ...]

    def question_for(self, product: str) -> str:
        """Return one of the questions, always the same one for a product."""
        digest = hashlib.blake2b(f"{self.attribute}\0{product}".encode(), digest_size=8).digest()
        return self.questions[int.from_bytes(digest, "big") % len(self.questions)]


def load_templates(path: Path | None = None) -> list[Template]:
    """Read question templates from YAML; None for those that come with Catalens.

    Raises:
        InputError: the file is not of that shape; the message names the attribute.
    """
    file = Path(str(resources.files("catalens.training.finetune"))) / "questions.yaml" if path is None else path
    try:
        raw = parse_yaml(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"the questions {file} cannot be read: {error}") from error
    if not isinstance(raw, dict) or not raw:
        raise InputError(f"{file} must be a mapping of attributes to their columns and questions")
    return [_template(str(name), body, file) for name, body in raw.items()]


def _template(name: str, body: object, file: Path) -> Template:
    values = body if isinstance(body, dict) else {}
    columns, questions = values.get("columns", [name]), values.get("questions")
    for what, texts in (("columns", columns), ("questions", questions)):
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(each, str) and each.strip() for each in texts)
        ):
            raise InputError(f"{file}: the attribute {name!r} needs a list of {what}, each a text; it has {texts!r}")
    return Template(name, tuple(columns), tuple(questions or ()))


def pairs_from_fields(fields: Fields, product: str, templates: Sequence[Template]) -> list[Pair]:
    """Return a pair for each attribute that a product's fields have a value of.

    >>> pairs_from_fields({"Fit": "Slim"}, "1", [Template("fit", ("fit",), ("What is the fit?",))])
    [Pair(question='What is the fit?', answer='Slim', attribute='fit')]
    """
    by_name = {name.casefold(): value for name, value in fields.items()}
    pairs: list[Pair] = []
    for template in templates:
        values = (str(by_name.get(column.casefold(), "")).strip() for column in template.columns)
        answer = next(filter(_is_answer, values), None)
        if answer:
            pairs.append(Pair(template.question_for(product), answer, template.attribute))
    return pairs


def _is_answer(value: str) -> bool:
    return bool(value) and value.casefold() not in {"na", "n/a", "none", "nan", "null", "-"}


def pairs_from_row(row: Fields) -> list[Pair] | None:
    """Return the pairs of a row that states its questions itself; None where it does not.

    Known are `question` and `answer` columns, `messages` of ms-swift (role, content), `conversations` of LLaMA-Factory
    (from, value), and its `instruction`, `input` and `output`.

    Raises:
        InputError: the row has one of these formats, but no question with an answer.
    """
    named = {str(name).casefold(): value for name, value in row.items()}
    if "question" in named:
        pairs = [_pair(named["question"], named.get("answer"), named.get("attribute"))]
    elif "messages" in named or "conversations" in named:
        pairs = _from_turns(named.get("messages") or named.get("conversations"))
    elif "instruction" in named:
        asked = [text_of(named[name]) for name in ("instruction", "input") if name in named]
        pairs = [_pair(" ".join(asked), named.get("output"), None)]
    else:
        return None
    return pairs


def is_decision(row: Fields) -> bool:
    """Return whether a row is what somebody decided about a value of an attribute."""
    return {"attribute", "value", "decision"} <= {str(name).casefold() for name in row}


def pair_from_decision(row: Fields, product: str, templates: Sequence[Template]) -> Pair | None:
    """Return the pair of a decision: an accepted value, or the correction of a rejected one; None without a correction.

    >>> row = {"attribute": "colour", "value": "Red", "decision": "rejected", "correction": "Maroon"}
    >>> pair_from_decision(row, "1", [])
    Pair(question='What is the colour?', answer='Maroon', attribute='colour')

    Raises:
        InputError: the decision is neither "accepted" nor "rejected", or there is no attribute or value.
    """
    named = {str(name).casefold(): value for name, value in row.items()}
    attribute, decision = str(named["attribute"] or "").strip(), str(named["decision"]).strip().casefold()
    if decision not in ("accepted", "rejected"):
        raise InputError(f"the decision is {named['decision']!r}; it must be 'accepted' or 'rejected'")
    if not attribute:
        raise InputError("the decision names no attribute")
    answer = named["value"] if decision == "accepted" else named.get("correction")
    if answer in (None, "") and decision == "rejected":
        return None
    found = next((each for each in templates if each.attribute == attribute), None)
    asked = found.question_for(product) if found else f"What is the {attribute.replace('_', ' ')}?"
    return _pair(asked, answer, attribute)


def _from_turns(turns: object) -> list[Pair]:
    pairs: list[Pair] = []
    question: object = None
    for turn in turns if isinstance(turns, list) else []:
        if not isinstance(turn, dict):
            raise InputError(f"a turn is {turn!r}; it should have a role and a content")
        role, text = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if role in _ASKING:
            question = text
        elif role in _ANSWERING:
            pairs.append(_pair(question, text, None))
    if not pairs:
        raise InputError("the conversation has no question that is answered")
    return pairs


def text_of(value: object) -> str:
    """Return what a cell says: a text, a number, truth as an answer, a list of these, or a chat's list of parts.

    >>> text_of(0), text_of(True), text_of(["Cotton", "Wool"]), text_of([{"type": "text", "text": "Hi"}]), text_of(None)
    ('0', 'yes', 'Cotton; Wool', 'Hi', '')

    Raises:
        InputError: it says something else.
    """
    if isinstance(value, list):
        parts = [each for each in value if not (isinstance(each, dict) and each.get("type") in _PICTURE_PARTS)]
        return "; ".join(filter(None, map(text_of, parts)))
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        value = value["text"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is not None and not isinstance(value, str | int | float):
        raise InputError(f"a text is needed, or a number, not {str(value)[:100]}")
    text = " ".join(("" if value is None else str(value)).replace(_IMAGE_MARK, " ").split())
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"the text {text[:100]!r} holds half a character; write the row in UTF-8")
    return text


def _pair(question: object, answer: object, attribute: object) -> Pair:
    asked, answered = text_of(question), text_of(answer)
    if not asked:
        raise InputError("the row has no question")
    if not answered:
        raise InputError(f"the question {asked!r} has no answer")
    return Pair(asked, answered, attribute=str(attribute or ""))


def image_of(row: Fields) -> str | None:
    """Return where the image of a question row is: its `image`, the first of `images`, or its `Id` as a file's stem."""
    named = {str(name).casefold(): value for name, value in row.items()}
    for name in ("image", "images", "image_path", "id"):
        value = named.get(name)
        first = next(iter(value), None) if isinstance(value, list) else value
        if isinstance(first, dict):
            first = first.get("path")
        if first not in (None, ""):
            return str(first)
    return None
