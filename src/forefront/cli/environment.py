"""Variables of the environment that look like Forefront's and are nobody's."""

import re
from collections.abc import Mapping
from typing import Final

from forefront.cli.config import did_you_mean, setting_names, variable

_OURS: Final = "FOREFRONT_"
# What is read besides the settings: by the commands, by both SDKs, by the tests.
_OTHERS: Final = frozenset(
    _OURS + name for name in ("HOME", "CONFIG", "API_KEY", "BASE_URL", "TEST_KEY", "TEST_KEY_ID")
)
# Kubernetes tells every program where the services are; one of them may be called `forefront` or `forefront-…`.
_SERVICE = re.compile(r"FOREFRONT_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A line for each `FOREFRONT_…` variable that has a value and is read by nothing, such as a misspelt one."""
    meant = _meant()
    return [
        f"the environment variable `{name}` is not known{_hint(name, meant)}"
        for name, value in sorted(environment.items())
        if value and name.startswith(_OURS) and name not in meant.values() and not _is_service(name, value)
    ]


def _meant() -> dict[str, str]:
    """Known variables, by every name that somebody may give them who has the rule in mind and not the exceptions."""
    meant = {name: name for name in _OTHERS}
    for setting, name in setting_names():
        if name is not None:
            meant[variable(setting, short=False)] = name
            meant[_OURS + name.removeprefix(_OURS)] = name
    return meant


def _hint(name: str, meant: Mapping[str, str]) -> str:
    # Without what they have in common, which would make any two of them similar.
    rest = {known.removeprefix(_OURS): known_by for known, known_by in meant.items()}
    return did_you_mean(name.removeprefix(_OURS), rest, rest)


def _is_service(name: str, value: str) -> bool:
    return _SERVICE.fullmatch(name) is not None or (name.endswith("_PORT") and "://" in value)
