"""Detection of unknown `FOREFRONT_…` environment variables, such as misspelt ones."""

import re
from collections.abc import Mapping
from typing import Final

from forefront.cli.settings.config import did_you_mean, environment_variable, setting_names
from forefront.cli.settings.variables import is_service_address

_PREFIX: Final = "FOREFRONT_"
# Variables that are not settings: of the commands, of both SDKs, of the tests.
_OTHER_VARIABLES: Final = frozenset(
    _PREFIX + name for name in ("HOME", "CONFIG", "API_KEY", "BASE_URL", "ENCRYPTION_KEY", "TEST_KEY", "TEST_KEY_ID")
)
# Kubernetes sets such variables for each service; one may be named `forefront` or `forefront-…`.
_SERVICE = re.compile(r"FOREFRONT_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """One line for each non-empty `FOREFRONT_…` variable without a meaning."""
    aliases = _aliases()
    return [
        f"the environment variable `{name}` is not known{_hint(name, aliases)}"
        for name, value in sorted(environment.items())
        if value and name.startswith(_PREFIX) and name not in aliases.values() and not _is_service(name, value)
    ]


def _aliases() -> dict[str, str]:
    """Known variables by their names, and the exceptions also by the names that the naming rule implies."""
    aliases = {name: name for name in _OTHER_VARIABLES}
    for setting, name in setting_names():
        if name is not None:
            aliases[environment_variable(setting, by_rule=True)] = name
            aliases[_PREFIX + name.removeprefix(_PREFIX)] = name
    return aliases


def _hint(name: str, aliases: Mapping[str, str]) -> str:
    # Compared without the common prefix, which would make any two names similar.
    known = {alias.removeprefix(_PREFIX): variable for alias, variable in aliases.items()}
    return did_you_mean(name.removeprefix(_PREFIX), known, known)


def _is_service(name: str, value: str) -> bool:
    return _SERVICE.fullmatch(name) is not None or is_service_address(name, value)
