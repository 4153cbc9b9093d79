"""The console script `socklab`.

Each command has a module here. It says what is typed, and imports what it needs only when it runs: `--help`, and
the shell's completion with every TAB, wait for none of it.
"""

from __future__ import annotations

import io
import sys

import click

from .certificate import command as certificate
from .check import command as check
from .connect import command as connect
from .console import command as console
from .explain import command as explain
from .export import command as export
from .new import command as new
from .plan import command as plan
from .probe import command as probe
from .protocols import command as protocols
from .replay import command as replay
from .send import command as send
from .show import command as show
from .status import command as status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="socklab", message="%(prog)s %(version)s")
def main() -> None:
    """Be the client of any server; look at protocols, write one of your own, check config files.

    Servers are started by twistd: twistd -n socklab --config FILE
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal's encoding lacks stands there as \uXXXX; by default it would be a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")


for each in (
    certificate,
    check,
    connect,
    console,
    explain,
    export,
    new,
    plan,
    probe,
    protocols,
    replay,
    send,
    show,
    status,
):
    main.add_command(each)
