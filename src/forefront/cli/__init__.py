"""The commands: the only place where the parts are put together."""


def main() -> None:
    """Run the `forefront` command."""
    try:
        from forefront.cli.commands import app
    except ModuleNotFoundError as missing:
        raise SystemExit(
            f"forefront: {missing.name} is not installed. The commands need the server's parts: "
            "pip install 'forefront[server]'"
        ) from None
    app()
