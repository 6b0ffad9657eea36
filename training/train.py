"""Train forefront-mini for a given time: `python -m training.train --minutes 60`.

Run again, it goes on where it stopped; Ctrl-C loses a minute. `--start MODEL.gguf` begins a new run with the
weights and the vocabulary of a model that was trained before.

Each worker trains on dialogues of its own; every minute the weights of all are averaged. Unlike threads within one
step, workers never wait for each other in between, which is what counts on a machine that does other work.
"""

import argparse
import datetime
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional
from tqdm import tqdm

from training import start, vocabulary
from training.batches import batches
from training.dialogues.side import Side
from training.model import Llama, Shape

_PERIOD = 60.0
_PATIENCE = datetime.timedelta(minutes=30)
_WARM_UP = 0.02
_AVERAGE = 0.3


@dataclass(frozen=True)
class Plan:
    """What the command line asks for. `seconds` is the time in all, `tokens` the size of one step of one worker."""

    run: Path
    seconds: float
    tokens: int
    rate: float
    workers: int
    start: Path | None


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, default=Path("training/runs/mini"), help="folder of checkpoints (default %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=60, help="training time in all, earlier runs included (default 60)"
    )
    parser.add_argument("--batch", type=int, default=4096, help="tokens in one step of a worker (default 4096)")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate (default 0.003)")
    parser.add_argument("--start", type=Path, help="GGUF file whose weights and vocabulary a new run begins with")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one per processor, one with a GPU)")
    options = parser.parse_args()
    workers = options.workers or (1 if torch.cuda.is_available() else max(1, torch.multiprocessing.cpu_count()))
    plan = Plan(options.run, options.minutes * 60, options.batch, options.rate, workers, options.start)
    _prepare(plan)
    with tempfile.TemporaryDirectory() as meeting:
        torch.multiprocessing.spawn(train, (plan, meeting), nprocs=workers)


def _prepare(plan: Plan) -> None:
    tokenizer = plan.run / "tokenizer.json"
    plan.run.mkdir(parents=True, exist_ok=True)
    if not tokenizer.exists() and plan.start is None:
        vocabulary.learn(tokenizer)
    elif not tokenizer.exists():
        start.vocabulary(plan.start, tokenizer)


def train(worker: int, plan: Plan, meeting: str) -> None:
    """One worker's share: train until the time is spent in all; the learning rate falls to zero with it."""
    distributed.init_process_group("gloo", f"file://{meeting}/workers", _PATIENCE, plan.workers, worker)
    if plan.workers > 1:
        torch.set_num_threads(1)
    learner = _Learner(plan, worker)
    learner.resume()
    state = learner.state
    began = time.monotonic() - state["spent"]
    with tqdm(total=round(plan.seconds), unit="s", disable=worker > 0) as bar:
        while state["spent"] < plan.seconds:
            learner.period(lambda: time.monotonic() - began)
            loss, tokens = learner.agree()
            state["spent"] = min(plan.seconds, state["spent"] + _PERIOD)
            if worker == 0 and tokens:
                learner.save(loss)
                bar.n = round(state["spent"])
                bar.set_postfix(loss=f"{loss:.3f}", tokens=f"{state['tokens'] / 1e6:.1f}M")
    distributed.destroy_process_group()


class _Learner:
    """The model, its optimizers and the dialogues of one worker."""

    def __init__(self, plan: Plan, worker: int) -> None:
        torch.manual_seed(0)
        self.plan = plan
        self.worker = worker
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = Llama(Shape()).to(self.device)
        if plan.start is not None:
            self.model.load_state_dict(start.weights(plan.start))
        self.optimizers = _optimizers(self.model)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.state: dict[str, Any] = {"spent": 0.0, "steps": 0, "tokens": 0}
        self.lately = [0.0, 0.0, 0.0]

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one, with dialogues that no one has drawn."""
        if (path := self.plan.run / "checkpoint.pt").exists():
            saved = torch.load(path, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.average, self.state = saved["average"], saved["state"]
            for optimizer, kept in zip(self.optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
        tokenizer = vocabulary.load(self.plan.run / "tokenizer.json")
        side = Side(1000 + self.state["steps"] * self.plan.workers + self.worker, held_out=False)
        self.stream = batches(tokenizer, side, self.plan.tokens, lambda: _drills(self.done, self.plan))

    @property
    def done(self) -> float:
        """The share of the time that is spent."""
        return float(self.state["spent"] / self.plan.seconds)

    def period(self, clock: Callable[[], float]) -> None:
        """Train until the next time to agree; `clock` gives the seconds spent."""
        self.lately = [0.0, 0.0, 0.0]
        end = min(self.plan.seconds, self.state["spent"] + _PERIOD)
        while (now := clock()) < end:
            tokens, learnt = (part.to(self.device) for part in next(self.stream))
            loss = _step(
                self.model, self.optimizers, tokens, learnt, self.plan.rate * _schedule(now / self.plan.seconds)
            )
            for index, value in enumerate((1.0, loss, float(tokens.numel()))):
                self.lately[index] += value

    def agree(self) -> tuple[float, float]:
        """Average the weights of all workers by how much each did; loss and number of tokens of the period."""
        steps = self.lately[0]
        sums = torch.tensor(self.lately, dtype=torch.float64)
        distributed.all_reduce(sums)
        if not sums[0]:
            return 0.0, 0.0
        flat = torch.nn.utils.parameters_to_vector(self.model.parameters()).detach().cpu() * (steps / float(sums[0]))
        distributed.all_reduce(flat)
        torch.nn.utils.vector_to_parameters(flat.to(self.device), self.model.parameters())
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, _AVERAGE)
        self.state["steps"] += int(sums[0])
        self.state["tokens"] += int(sums[2])
        return float(sums[1] / sums[0]), float(sums[2])

    def save(self, loss: float) -> None:
        """Write a line of the log and a checkpoint; the running average of the weights in it is what is exported."""
        with (self.plan.run / "loss.jsonl").open("a") as log:
            log.write(json.dumps({**self.state, "loss": round(loss, 4)}) + "\n")
        path = self.plan.run / "checkpoint.pt"
        kept = {"model": self.model.state_dict(), "average": self.average, "state": self.state}
        torch.save(
            {**kept, "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}, path.with_suffix(".part")
        )
        path.with_suffix(".part").replace(path)


def _schedule(done: float) -> float:
    """The learning rate as a share of its peak: warm-up, a plateau, and down to zero."""
    return min(1.0, done / _WARM_UP + 0.01, max(0.0, 1 - done) / 0.7)


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
    with torch.autocast("cuda", torch.bfloat16, enabled=tokens.is_cuda):
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


def _drills(done: float, plan: Plan) -> float:
    """The share of exercises: most of the first twentieth of the time from nothing, then many, at the end a few."""
    if done < 0.05 and plan.start is None:
        return 0.6
    if done < 0.75 and plan.start is None:
        return 0.4
    return 0.12


if __name__ == "__main__":
    main()
