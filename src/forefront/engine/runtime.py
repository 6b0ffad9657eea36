"""OpenVINO, imported so that it does not report to anybody.

`import openvino` sends usage statistics to its makers and leaves files in `~/intel`, unless its telemetry package
cannot be imported. A server must not call out behind its owner's back, so every import of it goes through this module.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # to `import`, this says that there is no such module

import openvino as ov  # noqa: E402
import openvino.opset13 as ops  # noqa: E402
from openvino._offline_transformations import paged_attention_transformation  # noqa: E402

__all__ = ["ops", "ov", "paged_attention_transformation"]
