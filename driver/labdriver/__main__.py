"""`python -m labdriver`, the same as the `labdriver` command."""

from labdriver.cli import main

main()
