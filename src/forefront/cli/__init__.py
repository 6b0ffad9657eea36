"""The commands: the only place where the parts are put together."""

import errno
import os
import sys

# What a file or a disk says that takes no more; a reader that has gone (`| head`) is no error.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main() -> None:
    """Run the `forefront` command."""
    try:
        _run()
    except KeyboardInterrupt:  # while the parts are still being loaded
        raise SystemExit(130) from None
    except OSError as error:  # commands see to their other files
        if error.errno not in _FULL:
            raise
        # Or what could not be written is tried again at the end, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(f"forefront: the output cannot be written: {error.strerror}") from None


def _run() -> None:
    try:
        # Each application imports what its commands need: the engine's parts take most of a second to load.
        command = sys.argv[1] if len(sys.argv) > 1 else ""
        if command in ("chat", "complete"):
            from forefront.cli.client_app import app
        elif command in ("config", "keys", "projects", "usage", "prune", "export", "import"):
            from forefront.cli.store_app import app
        else:
            from forefront.cli.app import app
    except ModuleNotFoundError as missing:
        raise SystemExit(
            f"forefront: {missing.name} is not installed. The commands need the server's parts: "
            "pip install 'forefront[server]'"
        ) from None
    app(prog_name="forefront")
