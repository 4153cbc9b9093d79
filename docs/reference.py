"""How pydoctor reads our docstrings, for `make docs`: in epytext, with names in backticks."""

from __future__ import annotations

import ast
import re
from functools import partial

from pydoctor.extensions import ExtRegistrar, ModuleVisitorExt
from pydoctor.model import Class, Documentable, DocumentableKind, System


class Reference(System):
    """The API of socklab."""

    custom_extensions = ["docs.reference"]
    # Defaults are what a reader of `Limits` looks for.
    show_attr_value = (*System.show_attr_value, DocumentableKind.CLASS_VARIABLE)


class _Annotations(ModuleVisitorExt):
    """What pydoctor 25.10 does not know of types."""

    when = ModuleVisitorExt.When.BEFORE

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Show `Annotated[Size, ...]` as `Size`, and a field whose default has a name as a field.

        The rest of the first is for machines, and pydoctor would take its text for types; the second it would
        take for another name of the default.
        """
        match node.annotation:
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *_])):
                node.annotation = kind
        builder = self.visitor.builder
        match builder.current, node:
            case Class(contents=found), ast.AnnAssign(target=ast.Name(id=name), value=ast.Name()) if (
                name not in found
            ):
                builder.addAttribute(name, None, builder.current, node.lineno)


def _interfaces(system: System) -> None:
    """Take what inherits from an interface of Twisted's for one; its sources are not read here."""
    for each in system.objectsOfType(Class):
        if any(base.startswith("twisted.internet.interfaces.I") for base in each.bases) and not each.isinterface:
            each.isinterface, each.implementedby_directly = True, []
            each.kind = DocumentableKind.INTERFACE


def _docstrings(system: System) -> None:
    """Turn our marks to epytext: backticks to a link where they name something of ours, else to code.

    And what click shall not wrap, which begins with the character \\b, to a literal block.
    """
    for each in list(system.allobjects.values()):
        if each.docstring:
            text = re.sub("`([^`]+)`", partial(_marked, each), each.docstring)
            each.docstring = re.sub(r"^\x08\n(.+):\n", r"\1::\n\n", text, flags=re.MULTILINE)
            each.parsed_docstring = None


def _marked(where: Documentable, found: re.Match[str]) -> str:
    text = found[1]
    name = text.removesuffix("()")
    if re.fullmatch(r"[A-Za-z_][\w.]*", name):
        scope: Documentable | None = where
        while scope is not None:
            target = where.system.objForFullName(scope.expandName(name))
            if target is not None and target.isVisible:
                return f"L{{{text}<{target.fullName()}>}}"
            scope = scope.parent
    return f"C{{{text}}}"


def setup_pydoctor_extension(registrar: ExtRegistrar) -> None:
    """Called by pydoctor."""
    registrar.register_astbuilder_visitor(_Annotations)
    registrar.register_post_processor(_interfaces, priority=200)
    registrar.register_post_processor(_docstrings, priority=0)
