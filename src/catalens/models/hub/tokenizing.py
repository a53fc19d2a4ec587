"""Builds a `tokenizers.Tokenizer` for every pretrained text tower that returns the ids of its own library.

Such a tokenizer can be saved in a bundle, and needs no other library.
"""

from __future__ import annotations

import html
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from catalens.core.errors import ModelError
from catalens.models.hub.sentencepiece import read_pieces

_CONTROLS = r"[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]"
_ENTITIES = {
    f"&{name};": html.unescape(f"&{name};")
    for name in (
        *("amp", "lt", "gt", "quot", "apos", "#39", "nbsp", "lsquo", "rsquo", "ldquo", "rdquo", "copy", "reg"),
        *("trade", "deg", "ndash", "mdash", "hellip", "eacute", "egrave", "agrave", "ccedil", "auml", "ouml", "uuml"),
        *("szlig", "ntilde"),
    )
}
"""HTML entities that occur in catalogues; each costs about a microsecond per text."""
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ſt", "ﬆ": "st", "Ĳ": "IJ", "ĳ": "ij"}


def transformers_tokenizer(folder: Path, *, lowers: bool = False) -> tuple[Tokenizer, int]:
    """Return the tokenizer that transformers loads from a folder, and its padding id.

    Args:
        folder: with the tokenizer's files.
        lowers: texts are lower-cased first.

    Raises:
        ModelError: there is none, or it has no equivalent in the tokenizers library.
    """
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        tokenizer = plain(found.backend_tokenizer)
        return _cleaned_first(tokenizer, [_lowered()]) if lowers else tokenizer, int(found.pad_token_id or 0)
    except Exception as error:
        raise ModelError(
            f"{folder} has no tokenizer that can be used ({error}); copy its files from the model it was made from"
        ) from error


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy without padding and truncation, which the caller does."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def siglip_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a SigLIP or SigLIP 2 model of transformers.

    Raises:
        ModelError: the folder has none.

    Source:
        SigLIP: `SiglipTokenizer` of transformers 5 removes ASCII punctuation, lower-cases and joins spaces before
        SentencePiece. SigLIP 2: its tower was trained on lower-cased texts with Gemma's vocabulary
        (`Siglip2Tokenizer` of transformers 5, and the big_vision configuration of the paper).
    """
    pieces, whole = folder / "spiece.model", folder / "tokenizer.json"
    if pieces.is_file():
        model = read_pieces(pieces)
        tokenizer = model.tokenizer()
        # The end mark is added to every text, empty ones too.
        tokenizer.post_processor = _template("$A </s>", {"</s>": model.id_of("</s>")})
        return _cleaned_first(tokenizer, [_lowered(), _without_punctuation(), _joined()])
    if not whole.is_file():
        raise ModelError(f"{folder} has neither spiece.model nor tokenizer.json, and so no tokenizer of SigLIP")
    tokenizer = plain(Tokenizer.from_file(str(whole)))
    return _cleaned_first(tokenizer, [normalizers.Lowercase()])


def open_clip_tokenizer() -> Tokenizer:
    """Return open_clip's own CLIP tokenizer: lower-case byte pairs with begin and end tokens.

    Source:
        `SimpleTokenizer` of open_clip 3.3. It first repairs texts with ftfy and resolves HTML's names for letters;
        of that, what occurs in clean texts is done here: common names, control marks, ligatures, quotes. Text that
        was decoded wrongly ("Ã©") is not repaired, and full-width letters stay as they are.
    """
    from open_clip.tokenizer import SimpleTokenizer

    theirs = SimpleTokenizer()
    begin, end = (theirs.decoder[each] for each in (theirs.sot_token_id, theirs.eot_token_id))
    merges = sorted(theirs.bpe_ranks, key=theirs.bpe_ranks.__getitem__)
    model = models.BPE(vocab=theirs.encoder, merges=merges, end_of_word_suffix="</w>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([*_repaired(), _joined(), _lowered()])
    words = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    # Written out in a text, in whatever case, they are the marks themselves.
    tokenizer.add_special_tokens([AddedToken(each, normalized=True) for each in (begin, end)])
    tokenizer.post_processor = _template(f"{begin} $A {end}", {begin: theirs.sot_token_id, end: theirs.eot_token_id})
    return tokenizer


def open_clip_hub_tokenizer(folder: Path, text_config: Mapping[str, Any]) -> tuple[Tokenizer, int]:
    """Return the tokenizer of an open_clip model that reads another vocabulary, such as T5's, and what it pads with.

    Args:
        folder: with the tokenizer's files.
        text_config: what the model's configuration says of its texts.

    Raises:
        ModelError: the folder has no tokenizer, or the configuration wants what is not supported.

    Source:
        `HFTokenizer` of open_clip 3.3.
    """
    wanted = dict(text_config.get("tokenizer_kwargs") or {})
    clean, without_separator = wanted.pop("clean", "whitespace"), wanted.pop("strip_sep_token", False)
    steps = {
        "whitespace": [_joined()],
        "lower": [_joined(), _lowered()],
        "canonicalize": [normalizers.Replace("_", " "), _without_punctuation(), _lowered(), _joined()],
    }
    if wanted or clean not in steps or text_config.get("tokenizer_mode"):
        raise ModelError(f"{folder}: a tokenizer with {text_config.get('tokenizer_mode') or wanted or clean!r} is new")
    tokenizer, padding = transformers_tokenizer(folder)
    tokenizer = _cleaned_first(tokenizer, [*_repaired(), *steps[clean]])
    if without_separator:
        # open_clip writes zeros over the separator; the tower's vector is read at such a zero.
        zero = str(tokenizer.id_to_token(0))
        tokenizer.post_processor = _template(
            f"[CLS] $A {zero}", {"[CLS]": tokenizer.token_to_id("[CLS]") or 0, zero: 0}
        )
    return tokenizer, padding


def _template(pattern: str, marks: Mapping[str, int]) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(single=pattern, special_tokens=list(marks.items()))


def _cleaned_first(tokenizer: Tokenizer, steps: Sequence[Any]) -> Tokenizer:
    after = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([*steps, *after])
    return tokenizer


def _repaired() -> list[Any]:
    """What ftfy and html.unescape do to texts that were decoded rightly."""
    replaced = [("&amp;", "&"), *_ENTITIES.items(), *_LIGATURES.items()]
    return [
        *(normalizers.Replace(name, letter) for name, letter in replaced),
        normalizers.Replace(Regex(_CONTROLS), ""),
        normalizers.Replace(Regex("[\u02bc\u2018-\u201b]"), "'"),
        normalizers.Replace(Regex("[\u201c-\u201f]"), '"'),
        normalizers.NFC(),
    ]


def _joined() -> normalizers.Normalizer:
    # The separators \x1c to \x1f are spaces to Python, but not to this library.
    spaces = Regex(r"[\s\x1c-\x1f]{2,}|[^\S ]|[\x1c-\x1f]")
    return normalizers.Sequence([normalizers.Replace(spaces, " "), normalizers.Strip()])


def _lowered() -> normalizers.Normalizer:
    # Python writes a sigma at a word's end in its own way; the tokenizers library goes letter by letter.
    last = normalizers.Replace(Regex(r"(?<=\p{L})Σ(?!['.:^`\p{M}\p{Lm}]*\p{L})"), "ς")
    return normalizers.Sequence([last, normalizers.Lowercase()])


def _without_punctuation() -> normalizers.Normalizer:
    marks = "".join(f"\\{mark}" for mark in string.punctuation)
    return normalizers.Replace(Regex(f"[{marks}]"), "")
