"""The process of llama.cpp's HTTP server: `python -m forefront.managed_engines.llama_cpp.server_process`."""

import os
import sys
import threading

from forefront.managed_engines.child_process import (
    die_with_parent,
    read_settings,
    report_ready,
    take_report_stream,
    wait_for_end,
)
from forefront.managed_engines.llama_cpp.settings import server_parameters


def main() -> None:
    """Serve until the parent closes standard input or dies."""
    settings = read_settings()
    die_with_parent(settings["parent"])
    report = take_report_stream()
    # Loading a large file takes minutes, during which the parent may end.
    threading.Thread(target=_exit_at_end, daemon=True).start()

    import xllamacpp  # only here: it takes a second, and its absence is reported by the parent

    try:
        server = xllamacpp.Server(server_parameters(settings))
    except RuntimeError:
        sys.exit(1)  # the reason is in the log above
    report_ready(report, server.listening_address)
    threading.Event().wait()


def _exit_at_end() -> None:
    wait_for_end()
    os._exit(0)  # the server's threads have no state to save


if __name__ == "__main__":
    main()
