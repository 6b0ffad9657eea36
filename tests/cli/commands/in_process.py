"""Commands in the process of the test: another process takes about a second of processor time to start."""

from pathlib import Path

from typer.testing import CliRunner, Result

from forefront.cli.app import app


def run_here(*arguments: str, home: Path, **variables: str) -> Result:
    """What `forefront ARGUMENTS` writes, and its status in `exit_code`. `variables`: of its environment."""
    return CliRunner().invoke(app, arguments, env={"FOREFRONT_HOME": str(home), "COLUMNS": "200"} | variables)
