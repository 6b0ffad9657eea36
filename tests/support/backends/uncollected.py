"""`forefront serve` without automatic garbage collection. At SIGUSR2 it collects once, and writes the number of objects
that it found to the file named by `GARBAGE_FILE`."""

import gc
import os
import signal
from pathlib import Path

from forefront.cli import main
from forefront.cli.serving import server_runtime


def _report(*_: object) -> None:
    found, path = gc.collect(), Path(os.environ["GARBAGE_FILE"])
    path.with_suffix(".new").write_text(str(found))
    path.with_suffix(".new").rename(path)


if __name__ == "__main__":
    server_runtime._GC_THRESHOLD = 2**30
    signal.signal(signal.SIGUSR2, _report)
    main()
