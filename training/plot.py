"""Draw the loss of a run as `training/loss.png`: `python -m training.plot`."""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

_SMOOTHED = 5


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, default=Path("training/runs/mini"), help="folder of checkpoints (default %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "loss.png", help="default %(default)s")
    options = parser.parse_args()
    points = [json.loads(line) for line in (options.run / "loss.jsonl").read_text().splitlines()]
    losses = [point["loss"] for point in points]
    smooth = [
        sum(losses[max(0, i - _SMOOTHED) : i + 1]) / len(losses[max(0, i - _SMOOTHED) : i + 1])
        for i in range(len(losses))
    ]
    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    axes.plot([point["tokens"] / 1e6 for point in points], smooth)
    axes.set(xlabel="million tokens", ylabel="loss on answers (nats per token)", yscale="log")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(options.output, dpi=110)


if __name__ == "__main__":
    main()
