"""Errors of managed engines. Their messages are written for the operator."""


class EngineStartError(Exception):
    """An engine cannot be started. The message names the reason and the last lines of the engine's log."""


class EngineNotInstalledError(EngineStartError):
    """The package of an engine is missing. The message has the command that installs it."""


class EngineSettingsError(EngineStartError):
    """An argument of an engine is unknown or has a wrong value."""
