"""The command line with a model that fails at its next step once the file `TORTURE_BREAK` exists."""

import os
from pathlib import Path
from typing import Any

from forefront.cli import main
from forefront.engine.model.model import PagedModel

_run = PagedModel.run
_flag = Path(os.environ["TORTURE_BREAK"])


def _run_or_break(self: PagedModel, *arguments: Any) -> Any:
    if _flag.exists():
        _flag.unlink()
        raise RuntimeError("broken on purpose")
    return _run(self, *arguments)


if __name__ == "__main__":
    PagedModel.run = _run_or_break  # type: ignore[method-assign,assignment]
    main()
