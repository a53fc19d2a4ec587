"""The prompt that paints a picture anew in somebody's style, and the template that it is made with."""

from __future__ import annotations

import string

from catalens.core.errors import InputError

TEMPLATE = "This scene is a {work} painting with {artist} style, {prompt}"
"""Names the work and the artist before the words that were read from the picture."""

_PARTLY = {
    (True, False): "This scene is a painting with {artist} style, {prompt}",
    (False, True): "This scene is a {work} painting, {prompt}",
    (False, False): "{prompt}",
}
"""(artist is named, work is named) → the template that does without the other."""

_FIELDS = ("artist", "work", "prompt")


def restyling_prompt(prompt: str, *, artist: str = "", work: str = "", template: str | None = None) -> str:
    """Put a picture's words, an artist and a work into one prompt.

    Args:
        prompt: what is in the picture, as words.
        artist: of the style; may be empty.
        work: which painting is the model; may be empty.
        template: with {prompt} and, if wanted, {artist} and {work}; None is `TEMPLATE`, without the part about what
            is not named.

    Raises:
        InputError: there is no prompt, the template is malformed, or it has a field that is not named here.

    >>> restyling_prompt("a boat on a lake", artist="Van Gogh", work="The Starry Night")
    'This scene is a The Starry Night painting with Van Gogh style, a boat on a lake'
    >>> restyling_prompt("a boat on a lake", artist="Van Gogh")
    'This scene is a painting with Van Gogh style, a boat on a lake'
    """
    given = {"artist": _plain(artist), "work": _plain(work), "prompt": _plain(prompt)}
    if not given["prompt"]:
        raise InputError("the prompt is empty; describe what is in the picture")
    if template is None:
        template = _PARTLY.get((bool(given["artist"]), bool(given["work"])), TEMPLATE)
    missing = [field for field in template_fields(template) if not given[field]]
    if missing:
        raise InputError(f"the template {template!r} asks for {' and '.join(missing)}; name it, or leave its field out")
    return template.format(**given)


def template_fields(template: str) -> list[str]:
    """Return the fields of a template, in order.

    Raises:
        InputError: a brace stands alone, a field is not known, or {prompt} is not among them.

    >>> template_fields("{prompt}, in the style of {artist}")
    ['prompt', 'artist']
    """
    accepted = f"the template {template!r}: its fields are {{prompt}}, {{artist}} and {{work}}"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"{accepted}; a brace that is none is written twice ({error})") from error
    fields = [name for _, name, _, _ in parts if name is not None]
    strange = [name for name in fields if name not in _FIELDS]
    if strange or any(spec or conversion for _, _, spec, conversion in parts):
        raise InputError(f"{accepted}, written just so" + "".join(f"; there is no {{{name}}}" for name in strange))
    if "prompt" not in fields:
        raise InputError(f"{accepted}, and {{prompt}} is missing, so what is in the picture would be lost")
    return fields


def _plain(text: str) -> str:
    return " ".join(text.split())
