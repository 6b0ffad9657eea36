"""The commands: the only place where the parts are put together."""

import sys


def main() -> None:
    """Run the `forefront` command."""
    try:
        # Whoever asks a server should not wait a second for the parts of one to load.
        if sys.argv[1:2] in (["chat"], ["complete"]):
            from forefront.cli.asking import app
        else:
            from forefront.cli.commands import app
    except ModuleNotFoundError as missing:
        raise SystemExit(
            f"forefront: {missing.name} is not installed. The commands need the server's parts: "
            "pip install 'forefront[server]'"
        ) from None
    app(prog_name="forefront")
