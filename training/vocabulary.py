"""The vocabulary: byte-level BPE learnt from the dialogues, each digit a token of its own."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from training.dialogues import make
from training.dialogues.side import Side
from training.render import CONTROL, texts

SIZE = 2048
_DIALOGUES = 20_000


def learn(path: Path) -> None:
    """Learn the vocabulary and write it as `tokenizer.json`."""
    side = Side(1, held_out=False)
    tokenizer = Tokenizer(models.BPE())
    # No merge may reach over a digit, so that the plain GPT-2 splitting of the server keeps digits apart as well.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=list(CONTROL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for _ in range(_DIALOGUES) for text in texts(make(side))), trainer)
    path.write_text(tokenizer.to_str())


def load(path: Path) -> Tokenizer:
    """The tokenizer as the server applies it. Control tokens in a text are text: no added tokens are known here."""
    model = json.loads(path.read_text())["model"]
    merges = [tuple(merge) if not isinstance(merge, str) else tuple(merge.split(" ")) for merge in model["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
