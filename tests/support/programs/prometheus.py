"""Scrapes in tests: parsed samples, and `promtool`."""

import shutil
import subprocess

from prometheus_client.parser import text_string_to_metric_families

from tests.support.programs.debian import installed


class Samples:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The value of the sample of exactly these labels. `name` goes without `forefront_`."""
        return self._values[f"forefront_{name}", frozenset(labels.items())]

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of every sample of that name."""
        return [dict(labels) for known, labels in self._values if known == f"forefront_{name}"]


def promtool(*arguments: str, standard_input: str = "") -> str:
    """The output of `promtool`, which must succeed."""
    missing = "promtool is not installed, so NO metric and NO alert rule is checked"
    program = installed(lambda: shutil.which("promtool"), "prometheus", missing)
    run = subprocess.run([program, *arguments], input=standard_input, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr
