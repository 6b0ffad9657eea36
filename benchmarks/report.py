"""Tables, and a description of the machine."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """One paragraph: processor, cores, memory, versions, date."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    flags = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in fields["flags"].split()]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{fields['model name']} ({', '.join(flags)}), {os.cpu_count()} cores, {memory:.0f} GiB; "
        f"Python {platform.python_version()}, OpenVINO {version('openvino')}, forefront {version('forefront')}; "
        f"{datetime.now(UTC):%Y-%m-%d}, load {load:.1f} at the start"
    )


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    print(flush=True)
