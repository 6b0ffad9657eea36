"""OpenVINO, imported so that it does not report to anybody.

`import openvino` sends usage statistics to its makers and leaves files in `~/intel`, unless its telemetry package
cannot be imported. A server must not call out behind its owner's back, so every import of it goes through this module.
"""

import re
import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # to `import`, this says that there is no such module

import openvino as ov  # noqa: E402
import openvino.opset13 as ops  # noqa: E402
from openvino._offline_transformations import paged_attention_transformation  # noqa: E402

__all__ = ["ops", "ov", "paged_attention_transformation", "plain_reason"]

# What OpenVINO puts before its messages: the condition that failed, and places in its source files.
_PLACES = re.compile(r"(Exception from|Check '.*?' failed at|General Failure|at) ?\S*\.(cpp|hpp|h|c|cc):\d+:?")


def plain_reason(error: Exception) -> str:
    """The message of an error, of OpenVINO's too, on one line and without places in source files."""
    text = " ".join(_PLACES.sub(" ", " ".join(str(error).split())).split())
    return text.strip(": ") or type(error).__name__
