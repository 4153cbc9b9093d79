"""`socklab new`: a project for a protocol of one's own."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import click


@click.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the project's own folder is made.  [default: the current folder]",
)
@click.option("--json", "asJson", is_flag=True, help="Print a JSON object, for programs.")
def command(name: str, folder: Path, asJson: bool) -> None:
    """Write a small complete project for a protocol.

    Into the folder NAME go a package with a protocol and its Factory, a config, tests, and the metadata by which
    configs can name the protocol where the package is installed. NAME, which is that of the protocol too, begins
    with an ASCII letter; then come letters and digits, with - or _ between them.

    \b
    Example:
      socklab new shout
    """
    from .project import NameTaken, NoProtocol, checkName, write

    try:
        checkName(name)
    except (ValueError, NameTaken) as error:
        raise click.BadParameter(str(error), param_hint="NAME") from None
    except NoProtocol as error:
        raise click.ClickException(str(error)) from None
    target = folder / name
    try:
        if target.is_dir() and any(target.iterdir()):
            raise click.ClickException(f"{target} is there already, and not empty")
        written = write(name, target)
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or target}: {(error.strerror or str(error)).lower()}"
        ) from None
    if asJson:
        found = {"written": [str(each) for each in written], "next": _steps(name, target)}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for each in written:
        click.echo(f"wrote {each}")
    click.echo("\nNext:")
    for line in _steps(name, target):
        click.echo(f"  {line}")
    click.echo(f"\n{target}/README.md tells more.")


def _steps(name: str, target: Path) -> list[str]:
    """Give what to type next, in the shell that ran this."""
    steps = [f"cd {shlex.quote(str(target))}"]
    if sys.prefix != sys.base_prefix and os.environ.get("VIRTUAL_ENV") != sys.prefix:
        # It was run by its path: the commands below would be those of another environment, if there are any.
        steps.insert(0, f". {shlex.quote(f'{sys.prefix}/bin/activate')}")
    return [
        *steps,
        "python -m pip install -e '.[test]'",
        "pytest",
        f"twistd -n --pidfile= socklab --config {name}.toml",
    ]
