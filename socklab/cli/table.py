"""Tables: drawn for a person at a terminal if `rich` is installed, else plain columns that a program can cut."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click


def isDrawn() -> bool:
    """Tell whether tables are drawn."""
    if not sys.stdout.isatty():
        return False
    try:
        import rich.table  # noqa: F401
    except ImportError:
        return False
    return True


def echoTable(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns of numbers stand at the right.

    @param columns: their names, in small letters.
    """
    from ..text import printable

    cells = [list(row) for row in rows]
    texts = [[printable("" if cell is None else str(cell)) for cell in row] for row in cells]
    right = [all(isinstance(row[at], int) for row in cells) and bool(cells) for at in range(len(columns))]
    if isDrawn():
        _draw(columns, texts, right)
        return
    texts.insert(0, [each.upper() for each in columns])
    widths = [max(len(row[at]) for row in texts) for at in range(len(columns))]
    for row in texts:
        padded = [
            text.rjust(width) if isRight else text.ljust(width)
            for text, width, isRight in zip(row, widths, right, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def _draw(columns: Sequence[str], texts: list[list[str]], right: list[bool]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, isRight in zip(columns, right, strict=True):
        table.add_column(name, justify="right" if isRight else "left", overflow="fold")
    for row in texts:
        # As Text: what a peer has said is no markup of rich's.
        table.add_row(*(Text(each) for each in row))
    Console(file=sys.stdout, highlight=False).print(table)
