"""`socklab certificate`: a certificate for the lab."""

from __future__ import annotations

import json
from pathlib import Path

import click

_HOSTS = ("localhost", "127.0.0.1", "::1")


@click.command("certificate")
@click.argument("hosts", metavar="[HOST]...", nargs=-1)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the files go.  [default: the current folder]",
)
@click.option("--days", type=click.IntRange(1, 36500), default=365, show_default=True, help="How long it holds.")
@click.option("--force", is_flag=True, help="Replace the files that are there.")
@click.option("--json", "asJson", is_flag=True, help="Print a JSON object, for programs.")
def command(hosts: tuple[str, ...], folder: Path, days: int, force: bool, asJson: bool) -> None:
    """Write a certificate for tests, with its key.

    It is signed by itself, so clients must be told to trust it. HOST is a name or an IP address under which they
    will ask for the server; without one it is for localhost, 127.0.0.1 and ::1.

    \b
    Example:
      socklab certificate --folder configs
    """
    from .selfsigned import make, write

    names = hosts or _HOSTS
    try:
        pair = make(names, days)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="HOST") from None
    key, certificate = folder / "key.pem", folder / "cert.pem"
    if not force:
        for each in (key, certificate):
            if each.exists() or each.is_symlink():
                raise click.ClickException(f"{each} is there already: --force replaces it")
    try:
        write(key, pair.key, 0o600)
        write(certificate, pair.certificate, 0o644)
    except OSError as error:
        file = error.filename2 or error.filename
        raise click.ClickException(f"{file}: {(error.strerror or str(error)).lower()}") from None
    if asJson:
        found = {"key": str(key), "certificate": str(certificate), "hosts": names, "ends": str(pair.end)}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(f"wrote {key}, which nobody else may read")
    click.echo(f"wrote {certificate}, for {', '.join(names)}; it ends on {pair.end}")
    for line in _steps(names[0], certificate):
        click.echo(line)


def _steps(host: str, certificate: Path) -> list[str]:
    """Give what to do next: with configs/tls.toml, or one's own."""
    url = f"[{host}]" if ":" in host else host.replace("*", "www")
    return [
        "",
        "Next, in a config in that folder, as in tls.toml:",
        "  listen = [",
        "      'ssl:7443:privateKey=key.pem:certKey=cert.pem',",
        "      'ws:ssl:7444:privateKey=key.pem:certKey=cert.pem',",
        "  ]",
        "",
        "When it is served:",
        f"  openssl s_client -quiet -CAfile {certificate} -connect {url}:7443",
        f"  curl --cacert {certificate} https://{url}:7444/",
    ]
