"""`forefront serve` with an engine that fails or hangs when the file named by FAULT says so.

FAULT=/path/of/file python -m tests.support.backends.faulty serve …
"""

import os
import time
from pathlib import Path
from typing import Any

from forefront.cli import main
from forefront.engine.model.model import PagedModel
from forefront.server.routes.monitoring import health

_fault = Path(os.environ["FAULT"])
_run = PagedModel.run


def _mood() -> str:
    return _fault.read_text() if _fault.exists() else ""


def _run_or_fail(self: PagedModel, *arguments: Any) -> Any:
    while _mood() == "hang":
        time.sleep(0.01)
    if _mood() == "fail":
        raise RuntimeError("Exception from /usr/src/plugin.cpp:81: <Tensor object at 0x7f00deadbeef>")
    return _run(self, *arguments)


if __name__ == "__main__":
    PagedModel.run = _run_or_fail  # type: ignore[method-assign,assignment]
    health._READY_TIMEOUT = 1.0
    main()
