"""The project that `socklab new` writes: what it may be called, and its files."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final

from ..config.finding import NoProtocol, available

__all__ = ["FILES", "NameTaken", "NoProtocol", "checkName", "write"]

FILES: Final = {
    "readme.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "setup.cfg": "setup.cfg",
    "config.toml": "{name}.toml",
    "package.py": "{package}/__init__.py",
    "py.typed": "{package}/py.typed",
    "test_memory.py": "tests/test_memory.py",
    "test_network.py": "tests/test_network.py",
    "gitignore": ".gitignore",
}
"""The templates, each with where it goes."""

# So that no line of the templates becomes longer than formatters leave it.
_MAX_LENGTH: Final = 32
# What stands beside the package in its folder, or is made there.
_OWN: Final = frozenset({"tests", "build", "dist"})


class NameTaken(Exception):
    """Something else has this name; says what."""


def checkName(name: str) -> None:
    """Check that a protocol, its package and its distribution can all have a name.

    @raise ValueError: the name is none for all of them.
    @raise NameTaken: one of them has it already.
    @raise NoProtocol: the metadata of the installed packages cannot be read.
    """
    package = name.replace("-", "_")
    # As names of distributions are (PEP 508); a leading digit no module can have.
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", name):
        raise ValueError(
            f'expected an ASCII letter, then letters and digits, with - or _ between them, got "{name}"'
        )
    if len(name) > _MAX_LENGTH:
        raise ValueError(f"expected at most {_MAX_LENGTH} characters, got {len(name)}")
    if keyword.iskeyword(package):
        raise ValueError(f'"{package}" is a word of Python\'s own')
    if package in _OWN:
        raise NameTaken(f'a folder "{package}" stands beside the package already')
    if package.lower() in {each.replace("-", "_").lower() for each in available()}:
        raise NameTaken(f'there is a protocol "{name}" already')
    if package in sys.stdlib_module_names:
        raise NameTaken(f'Python has a module "{package}" already')
    if _isInstalled(package):
        raise NameTaken(f'a module "{package}" is installed already')
    try:
        other = distribution(name)
    except PackageNotFoundError:
        return
    raise NameTaken(f'a package "{other.name}" is installed already')


def _isInstalled(package: str) -> bool:
    spec = find_spec(package)
    if spec is None:
        return False
    # `python -m` looks in the current folder too, where each folder is a module, if one without code.
    folders = [Path(each) for each in spec.submodule_search_locations or ()]
    return spec.origin is not None or any(each.parent != Path.cwd() for each in folders)


def write(name: str, target: Path) -> list[Path]:
    """Write the project into a folder, which is made if need be; give the files.

    @raise OSError: a file cannot be written.
    """
    package = name.replace("-", "_")
    words = {
        "name": name,
        "package": package,
        "Class": "".join(each[:1].upper() + each[1:] for each in package.split("_")),
        "version": version("socklab"),
    }
    written = []
    for template, path in FILES.items():
        text = Template(files(__package__).joinpath("template", f"{template}.tmpl").read_text("utf-8"))
        file = target / path.format_map(words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.substitute(words), "utf-8")
        written.append(file)
    return written
