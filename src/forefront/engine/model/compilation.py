"""Compilation of a graph for a device."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from forefront.engine.model.openvino_import import ov


def compile_graph(core: ov.Core, model: ov.Model, device: str, properties: Mapping[str, str | int]) -> Any:
    """The compiled model. Raises `RuntimeError`.

    It is compiled in its own thread. OpenVINO's CPU plugin sets the signal stack (`sigaltstack`) of the thread
    that loads it, and unmaps it when the last object of the plugin is freed, in any thread. A thread that still ran,
    such as the main thread, would then crash at its next signal.
    """
    compiled: Future[Any] = Future()

    def work() -> None:
        try:
            compiled.set_result(core.compile_model(model, device, dict(properties)))
        except BaseException as error:
            compiled.set_exception(error)

    threading.Thread(target=work, name="forefront-compile", daemon=True).start()
    return compiled.result()
