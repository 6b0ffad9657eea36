"""The limits of the machine for a model, and how near the engine comes to them."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.limits.bandwidth import read_bandwidth
from benchmarks.limits.matrices import float_throughput, int8_throughput, matrix_shapes
from benchmarks.limits.model_speed import PREFILL, measure_model
from benchmarks.limits.roofline import Limits

_DECODE_BATCH: Final = 32


def measure_limits(path: Path) -> dict[str, Any]:
    """The limits and speeds of a GGUF file, measured in its own process, whose memory ends with it."""
    command = [sys.executable, "-m", "benchmarks.limits.measure", str(path)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    content: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return content


def main() -> None:
    """Print them as JSON."""
    path = Path(sys.argv[1])
    shapes = matrix_shapes(path)
    limits = Limits(
        bandwidth=read_bandwidth(),
        int8=int8_throughput(shapes, PREFILL),
        int8_batch=int8_throughput(shapes, _DECODE_BATCH),
        float32=float_throughput(shapes, PREFILL),
        weight_bytes=shapes.weight_bytes,
        layer_operations=shapes.operations - shapes.output,
        output_operations=shapes.output,
    )
    speed = measure_model(path)
    decode = {str(streams): rate for streams, rate in speed.decode.items()}
    print(json.dumps({"limits": asdict(limits), "speed": asdict(speed) | {"decode": decode}}))


if __name__ == "__main__":
    main()
