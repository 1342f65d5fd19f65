"""`python -m munas`."""

from munas.cli.main import main

main()
