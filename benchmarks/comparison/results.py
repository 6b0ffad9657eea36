"""The results of a run: a JSON file for each part, so that a run that is cut off continues where it was."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.models import CACHE

RUNS: Final = CACHE / "runs"


@dataclass(frozen=True, slots=True)
class Results:
    """The files in `folder`: `MODEL/PART.json`."""

    folder: Path

    def has(self, model: str, part: str) -> bool:
        """Whether that part is done."""
        return self._path(model, part).exists()

    def read(self, model: str, part: str) -> dict[str, Any] | None:
        """What was kept; None if the part is not done."""
        path = self._path(model, part)
        return json.loads(path.read_text()) if path.exists() else None

    def write(self, model: str, part: str, content: dict[str, Any]) -> None:
        """Keep the results of a part."""
        path = self._path(model, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        stamped = {"model": model, "part": part, "time": datetime.now(UTC).isoformat(timespec="seconds"), **content}
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(_without_nan(stamped), indent=1))
        temporary.rename(path)

    def parts(self, model: str) -> Iterator[dict[str, Any]]:
        """All parts of a model."""
        for path in sorted((self.folder / model).glob("*.json")):
            yield json.loads(path.read_text())

    def _path(self, model: str, part: str) -> Path:
        return self.folder / model / f"{part}.json"


def new_folder(plan: str) -> Path:
    """A folder for a new run."""
    return RUNS / f"{plan}-{time.strftime('%Y%m%d-%H%M%S')}"


def latest_folder(plan: str) -> Path | None:
    """The folder of the newest run of a plan."""
    return max(RUNS.glob(f"{plan}-*"), default=None)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a figure without values becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
