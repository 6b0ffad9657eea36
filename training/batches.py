"""Batches of dialogues as tokens."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from training.dialogues import make
from training.dialogues.side import Side
from training.render import encode

_POOL = 512
_LONGEST = 2048


def batches(tokenizer: Any, side: Side, tokens: int, drills: Callable[[], float]) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of about `tokens` tokens, rows of like length: ids and which of them are learnt, both [rows, time]."""
    order = random.Random(side.random.random())
    while True:
        pool = sorted((encode(make(side, drills()), tokenizer) for _ in range(_POOL)), key=lambda pair: len(pair[0]))
        rows = [pair for pair in pool if len(pair[0]) <= _LONGEST]
        made = []
        while rows:
            count = max(1, tokens // len(rows[-1][0]))
            made.append(_padded(rows[-count:]))
            del rows[-count:]
        order.shuffle(made)
        yield from made


def _padded(rows: list[tuple[list[int], list[bool]]]) -> tuple[Tensor, Tensor]:
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    learnt = torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, (row, own) in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        learnt[index, : len(own)] = torch.tensor(own)
    return ids, learnt
