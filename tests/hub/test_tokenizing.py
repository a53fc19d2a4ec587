"""Our tokenizers against those of open_clip, transformers and SentencePiece, on texts that nobody would write."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest
import sentencepiece
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from tokenizers import Tokenizer
from transformers import AutoTokenizer
from transformers.models.siglip import SiglipTokenizer
from transformers.models.siglip2 import Siglip2Tokenizer

from catalens.core.errors import ModelError
from catalens.models.hub.sentencepiece import read_pieces
from catalens.models.hub.tokenizing import (
    open_clip_hub_tokenizer,
    open_clip_tokenizer,
    siglip_tokenizer,
    transformers_tokenizer,
)
from tests.support import tiny_encoders
from tests.support.tiny_encoders import Tiny

ODD = [
    "",
    "   ",
    "A Red Shirt",
    "it's  Bob's DON'T we'LL",
    "Ελλάδα ΟΔΟΣ ΣΑΣ. Σ",
    "été 夏 naïve e\N{COMBINING ACUTE ACCENT}tude straße ẞ",
    "&amp; &lt;b&gt; &quot;x&quot; &#39;s caf&eacute; &copy; 100&deg; &amp;lt; &nbsp;",
    "a\nb\tc\x0bd\x0c e\x1cf\N{LINE SEPARATOR}g\N{NO-BREAK SPACE}h\N{IDEOGRAPHIC SPACE}i\r\nj",
    "x" * 300,
    "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} wave \N{SNOWMAN}",
    "“quoted” ‘it’s’ ﬁne ﬂow",
    "Ⅻ ½ ² ₂ ①",
    "İstanbul ı 'ſ 'S",
    "{} a_b-c.d 10,000 x 5.5% tee-shirt/v-neck",
    "हिन्दी ไทย العربية",
    "\N{ZERO WIDTH SPACE}zero\N{ZERO WIDTH JOINER}width \N{ZERO WIDTH NO-BREAK SPACE}mark ab\x7fc …",
]


def random_texts(letters: str, n: int = 300) -> list[str]:
    chance = random.Random(5)
    return ["".join(chance.choices(letters, k=chance.randint(1, 40))) for _ in range(n)]


def test_open_clip_s_own_tokenizer() -> None:
    theirs, ours = SimpleTokenizer(), open_clip_tokenizer()
    texts = [*ODD, "<start_of_text> and <END_OF_TEXT>x", *random_texts(string.printable + "éñПрк字中™€")]
    for text in texts:
        expected = [theirs.sot_token_id, *theirs.encode(text), theirs.eot_token_id]
        assert ours.encode(text).ids == expected, text


def test_it_survives_being_a_file(tmp_path: Path) -> None:
    made = open_clip_tokenizer()
    made.save(str(tmp_path / "tokenizer.json"))
    read = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [each.ids for each in read.encode_batch(ODD)] == [each.ids for each in made.encode_batch(ODD)]


def test_clip_of_transformers(tiny: Tiny) -> None:
    ours, _ = transformers_tokenizer(tiny("clip"))
    theirs = AutoTokenizer.from_pretrained(tiny("clip"))
    for text in [*ODD, "<|endoftext|> inside"]:
        assert ours.encode(text).ids == theirs(text).input_ids, text


def test_siglip_of_transformers(tiny: Tiny) -> None:
    folder = tiny("siglip")
    theirs, ours = SiglipTokenizer(str(folder / "spiece.model")), siglip_tokenizer(folder)
    for text in [*ODD, *random_texts("abcdefsrt ,.-!'{}A\tÉé")]:
        assert ours.encode(text).ids == theirs(text).input_ids, text


def test_siglip2_is_lower_case_whatever_its_file_says(tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("siglip2")
    theirs, ours = Siglip2Tokenizer.from_pretrained(folder), siglip_tokenizer(folder)
    for text in ODD:
        assert ours.encode(text).ids == theirs(text).input_ids, text
    # Checkpoints of the hub bring Gemma's tokenizer, which keeps capitals; the tower was trained without.
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw))
    assert siglip_tokenizer(tmp_path).encode("A Red SHIRT").ids == ours.encode("a red shirt").ids


def test_pieces_are_read_as_sentencepiece_reads_them(tmp_path: Path) -> None:
    file = tiny_encoders.pieces(tmp_path)
    theirs, ours = sentencepiece.SentencePieceProcessor(model_file=str(file)), read_pieces(file)
    assert [piece for piece, _ in ours.scored] == [theirs.id_to_piece(at) for at in range(theirs.get_piece_size())]
    tokenizer = ours.tokenizer()
    for text in [
        "a red striped t-shirt",
        " two  straps ",
        "NAVY ½ ﬁ",
        "unknown 字 letters",
        "e\N{COMBINING ACUTE ACCENT}té",
    ]:
        assert tokenizer.encode(text).ids == theirs.encode(text), text


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, b"\x0a\x05abc"])
def test_what_is_no_sentencepiece_model_is_refused(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "spiece.model"
    file.write_bytes(damage)
    with pytest.raises(ModelError, match=r"spiece\.model is no"):
        read_pieces(file)


@pytest.mark.parametrize("clean", ["canonicalize", "whitespace", "lower"])
def test_open_clip_with_another_vocabulary(tiny: Tiny, clean: str) -> None:
    folder = tiny("open_clip SigLIP")
    theirs = HFTokenizer(str(folder), context_length=200, clean=clean)
    ours, padding = open_clip_hub_tokenizer(folder, {"tokenizer_kwargs": {"clean": clean}})
    for text in [each for each in ODD if len(each) < 100]:
        expected = theirs([text])[0].tolist()
        found = ours.encode(text).ids
        assert found + [padding] * (200 - len(found)) == expected, text


def test_a_separator_is_written_over_with_zero(tmp_path: Path) -> None:
    """The CLIPA models of open_clip read BERT's words without its separator."""
    from transformers import BertTokenizer

    words = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "shirt"])}
    BertTokenizer(vocab=words).save_pretrained(tmp_path)
    theirs = HFTokenizer(str(tmp_path), context_length=6, strip_sep_token=True)
    ours, padding = open_clip_hub_tokenizer(tmp_path, {"tokenizer_kwargs": {"strip_sep_token": True}})
    assert ours.encode("a red shirt").ids == [2, 1, 5, 6, 0]
    assert theirs(["a red shirt"])[0].tolist() == [2, 1, 5, 6, 0, padding]


def test_a_tokenizer_that_is_not_supported_says_so(tiny: Tiny) -> None:
    with pytest.raises(ModelError, match="a tokenizer with 'clips' is new"):
        open_clip_hub_tokenizer(tiny("open_clip SigLIP"), {"tokenizer_mode": "clips"})


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"neither spiece\.model nor tokenizer\.json"):
        siglip_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="has no tokenizer that can be used"):
        transformers_tokenizer(tmp_path)
