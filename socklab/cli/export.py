"""`socklab export`: a record for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .records import Reading, Wanted, file, filters


@click.command("export")
@file
@filters
@click.option(
    "--pcapng",
    "target",
    metavar="TARGET",
    required=True,
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The capture file to write.",
)
@click.option("--json", "asJson", is_flag=True, help="Print one JSON object, for programs.")
def command(files: tuple[Path, ...], target: Path, asJson: bool, **values: Any) -> None:
    """Make a capture of a record, for Wireshark and tshark.

    The bytes and times are those that were recorded. The packets around them are made up: handshakes,
    acknowledgements and checksums are as they should be, so that "Follow TCP Stream" shows each conversation.
    What was within TLS stands in the clear. Peers of a Unix socket get ports of 127.0.0.1.

    \b
    Example:
      socklab export echo.jsonl --pcapng echo.pcapng
    """
    from ..records.pcapng import Exporter, head

    wanted = Wanted.of(values)
    reading = Reading(files)
    everything = reading.conversations(Wanted())
    exporter = Exporter(everything)
    packets = 0
    try:
        with target.open("wb") as capture:
            capture.write(head())
            for entry in reading:
                for block in exporter.add(entry, wanted.admits(entry)):
                    capture.write(block)
                    packets += 1
    except OSError as error:
        raise click.ClickException(f"{target}: {(error.strerror or str(error)).lower()}") from None
    reading.complain()
    conversations = sum(wanted.admits(each) for each in everything)
    if asJson:
        click.echo(json.dumps({"file": str(target), "packets": packets, "conversations": conversations}))
        return
    click.echo(f"{target}: {packets} packets of {conversations} conversations")
