"""The import of OpenVINO without telemetry.

`import openvino` sends usage statistics and writes files to `~/intel`, unless its telemetry package cannot be imported.
All imports of OpenVINO therefore go through this module.
"""

import re
import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # `import` then finds no such module

import openvino as ov  # noqa: E402
import openvino.opset13 as ops  # noqa: E402
from openvino._offline_transformations import paged_attention_transformation  # noqa: E402

__all__ = ["error_summary", "ops", "ov", "paged_attention_transformation"]

# OpenVINO's messages begin with the failed condition and places in its source files.
_PLACES = re.compile(r"(Exception from|Check '.*?' failed at|General Failure|at) ?\S*\.(cpp|hpp|h|c|cc):\d+:?")


def error_summary(error: Exception) -> str:
    """The message of an error on one line, without places in OpenVINO's source files."""
    text = " ".join(_PLACES.sub(" ", " ".join(str(error).split())).split())
    return text.strip(": ") or type(error).__name__
