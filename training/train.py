"""Train forefront-mini for a given time: `python -m training.train --minutes 60`.

Run again, it goes on where it stopped; Ctrl-C loses a minute at most.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training import vocabulary
from training.dialogues import make
from training.dialogues.side import Side
from training.model import Llama, Shape
from training.render import encode

_POOL = 512
_LONGEST = 2048
_SAVE_SECONDS = 60.0


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, default=Path("training/runs/mini"), help="folder of checkpoints (default %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=60, help="training time in all, earlier runs included (default 60)"
    )
    parser.add_argument("--batch", type=int, default=4096, help="tokens in one step (default 4096)")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate (default 0.003)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    train(options.run, options.minutes * 60, options.batch, options.rate)


def train(run: Path, seconds: float, batch_tokens: int, rate: float) -> None:
    """Train until `seconds` of training are spent in all; the learning rate falls to zero with the time."""
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "tokenizer.json").exists():
        vocabulary.learn(run / "tokenizer.json")
    tokenizer = vocabulary.load(run / "tokenizer.json")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = Llama(Shape()).to(device)
    optimizers = _optimizers(model)
    state: dict[str, Any] = {"spent": 0.0, "step": 0, "tokens": 0}
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, kept in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        state = saved["state"]
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    print(f"{size:.1f} M parameters on {device}, {state['spent'] / 60:.0f} of {seconds / 60:.0f} minutes done")
    # Another seed after every resumption, so that no dialogue is drawn twice by design.
    stream = batches(
        tokenizer, Side(1000 + state["step"], held_out=False), batch_tokens, lambda: _drills(state["spent"] / seconds)
    )
    began, before, saved_at = time.monotonic(), state["spent"], time.monotonic()
    with tqdm(total=round(seconds), initial=round(before), unit="s") as bar, (run / "loss.jsonl").open("a") as log:
        while state["spent"] < seconds:
            tokens, learnt = (part.to(device) for part in next(stream))
            share = rate * min(1.0, (state["step"] + 1) / 100) * min(1.0, (1 - state["spent"] / seconds) / 0.7)
            loss = _step(model, optimizers, tokens, learnt, share)
            state["step"] += 1
            state["tokens"] += tokens.numel()
            state["spent"] = before + time.monotonic() - began
            if state["step"] % 20 == 0:
                log.write(json.dumps({**state, "loss": round(loss, 4)}) + "\n")
                log.flush()
                bar.n = min(round(state["spent"]), bar.total)
                bar.set_postfix(step=state["step"], loss=f"{loss:.3f}", tokens=f"{state['tokens'] / 1e6:.1f}M")
            if time.monotonic() - saved_at > _SAVE_SECONDS or state["spent"] >= seconds:
                _save(checkpoint, model, optimizers, state)
                saved_at = time.monotonic()


def _optimizers(model: Llama) -> list[torch.optim.Optimizer]:
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    others = [model.embedding.weight, *(p for p in model.parameters() if p.ndim == 1)]
    return [
        torch.optim.Muon(matrices, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _step(model: Llama, optimizers: list[torch.optim.Optimizer], tokens: Tensor, learnt: Tensor, rate: float) -> float:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
    with torch.autocast(tokens.device.type, torch.bfloat16):
        hidden = model(tokens[:, :-1])
        wanted = learnt[:, 1:]
        # Scores are made where something is to be learnt, which is a third of the tokens.
        logits = model.logits(hidden[wanted])
    loss = functional.cross_entropy(logits.float(), tokens[:, 1:][wanted])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


def _drills(done: float) -> float:
    """The share of exercises in copying: most of the first twentieth of the time, then a few."""
    return 0.6 if done < 0.05 else 0.04


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


def _save(path: Path, model: Llama, optimizers: list[torch.optim.Optimizer], state: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "state": state}, part)
    part.replace(path)


if __name__ == "__main__":
    main()
