"""Options of computation that were measured for a model on this machine, kept under `FOREFRONT_HOME`."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from forefront.catalog.machine.cpus import available_cores
from forefront.catalog.model_cache import DIGEST_LENGTH
from forefront.engine.model.model import ModelOptions

_CPU_INFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Tuning:
    """`threads`: CPU threads, 0 for all cores. `pinned`: each thread stays on its core. `kv_precision`, `precision`: as
    in `ModelOptions`; they change results."""

    threads: int = 0
    pinned: bool = True
    kv_precision: str = "f16"
    precision: str = "f32"

    def apply(self, options: ModelOptions) -> ModelOptions:
        """The options with these values, except those that the user has set, and on the CPU alone."""
        default = ModelOptions()
        if options.device != "CPU":
            return options
        return replace(
            options,
            threads=options.threads or self.threads,
            pinned=self.pinned,
            kv_precision=self.kv_precision if options.kv_precision == default.kv_precision else options.kv_precision,
            inference_precision=(
                self.precision
                if options.inference_precision == default.inference_precision
                else options.inference_precision
            ),
        )

    def describe(self) -> str:
        """The values that differ from the defaults."""
        default = Tuning()
        parts = [
            f"{self.threads} thread{'' if self.threads == 1 else 's'}" if self.threads != default.threads else "",
            "threads not pinned" if self.pinned != default.pinned else "",
            f"{self.kv_precision} KV cache" if self.kv_precision != default.kv_precision else "",
            f"precision {self.precision}" if self.precision != default.precision else "",
        ]
        return ", ".join(filter(None, parts)) or "the defaults"


class Tunings:
    """One JSON file for each model and machine. Results of another processor, number of cores or version of OpenVINO
    are not used."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "tuning"

    @property
    def is_empty(self) -> bool:
        """Whether there is no result for any model."""
        return next(self._folder.glob("*.json"), None) is None

    def find(self, digest: str) -> Tuning | None:
        """The result for the model with that digest. None without one, and for a damaged file."""
        try:
            return msgspec.json.decode(self._path(digest).read_bytes(), type=Tuning)
        except (OSError, msgspec.DecodeError):
            return None

    def keep(self, digest: str, tuning: Tuning) -> None:
        """Raises `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(digest)
        work = path.with_suffix(f".{os.getpid()}")
        work.write_text(json.dumps(asdict(tuning)))
        work.replace(path)

    def _path(self, digest: str) -> Path:
        machine = hashlib.sha256(json.dumps(_machine()).encode()).hexdigest()[:12]
        return self._folder / f"{digest[:DIGEST_LENGTH]}-{machine}.json"


def _machine() -> list[Any]:
    """The parts of the machine that a result depends on."""
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        lines = []
    processor = next((line for line in lines if line.startswith(("model name", "CPU part"))), "")
    return [processor, available_cores(), version("openvino")]
