"""`python -m socklab` is the console script `socklab`."""

from .cli import main

main()
