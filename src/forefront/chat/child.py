"""Child processes that do what may take all time and memory there is, for inputs that strangers wrote."""

import os
from typing import Final

_SECRETS: Final = ("FOREFRONT_API_KEY", "FOREFRONT_DATABASE_URL")


def child_environment() -> dict[str, str]:
    """This process's environment, less what opens the server or its store."""
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}
