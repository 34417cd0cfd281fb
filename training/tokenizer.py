"""One byte-pair vocabulary for diffusers' CLIPTokenizer and open_clip.

Every word of the grammar is one token; other words fall back to smaller pieces. The layout is
open_clip's: bytes, bytes with end of word, merges, start, end. The end token has the highest id,
as CLIP's pooling expects.
"""

from __future__ import annotations

import json
import string
from functools import cache
from pathlib import Path

from transformers import CLIPTokenizer

from training.captions import vocabulary
from training.data import WORK

CONTEXT = 40
START, END = "<|startoftext|>", "<|endoftext|>"
FOLDER = WORK / "tokenizer"


def build(folder: Path = FOLDER) -> None:
    """Write ``vocab.json`` and ``merges.txt``: merges that join words letter by letter."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    symbols = [*characters, *(f"{c}</w>" for c in characters)]
    merges: list[tuple[str, str]] = []
    known = set(symbols)
    for word in sorted(vocabulary(), key=len):
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        for pair in merges:
            pieces = _join(pieces, pair)
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            merges.append(pair)
            known.add("".join(pair))
            pieces = _join(pieces, pair)
    tokens = [*symbols, *("".join(pair) for pair in merges), START, END]
    tokens = list(dict.fromkeys(tokens))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    lines = "\n".join(" ".join(pair) for pair in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{lines}\n")


def _join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


@cache
def load() -> CLIPTokenizer:
    """Return the tokenizer, building it first if need be."""
    if not (FOLDER / "vocab.json").exists():
        build()
    return CLIPTokenizer(
        vocab=str(FOLDER / "vocab.json"),
        merges=str(FOLDER / "merges.txt"),
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=CONTEXT,
    )


@cache
def _word_ids() -> dict[str, int]:
    vocab: dict[str, int] = json.loads((FOLDER / "vocab.json").read_text())
    return {word: vocab[f"{word}</w>"] for word in [*vocabulary(), ","]}


def encode(text: str) -> list[int]:
    """Return ``CONTEXT`` ids, padded with the end token: the tokenizer's answer for sentences of
    the grammar, by table (a test holds the two together)."""
    load()
    ids = _word_ids()
    middle = [ids[word] for word in text.replace(",", " ,").split()][: CONTEXT - 2]
    start, end = len(_all()) - 2, len(_all()) - 1
    return [start, *middle, *[end] * (CONTEXT - 1 - len(middle))]


@cache
def _all() -> dict[str, int]:
    vocab: dict[str, int] = json.loads((FOLDER / "vocab.json").read_text())
    return vocab
