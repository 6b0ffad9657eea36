"""`python -m forefront.cli` is `forefront`."""

from forefront.cli import main

main()
