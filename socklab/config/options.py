"""The options of a Factory: its own keyword arguments, checked against their annotations.

pydantic does the checking: here is its model of the arguments. Tables in the options, such as dataclasses, are
made as Factories are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from traceback import walk_tb
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ..blame import ownLine, said
from ..units import Expected
from .annotations import By, Unfit, fromToml, told
from .arguments import Argument, argumentsOf, isTable, lineOf
from .errors import Mistake, mistakes, textOf


class Unmade(Exception):
    """Options do not make what they are for."""

    def __init__(self, found: list[Mistake], isFault: bool = False) -> None:
        """@param found: what is wrong, each with its place in the options.
        @param isFault: whether it is the fault of who wrote what is made, and not of the options.
        """
        super().__init__("; ".join(each.what for each in found))
        self.mistakes = found
        self.isFault = isFault


def named(found: Any) -> str:
    """Give the name of a class or function."""
    return str(getattr(found, "__qualname__", type(found).__qualname__))


def optionsModel(found: Any) -> type[BaseModel]:
    """Give the options of a Factory: those of its arguments that a config can give, with annotations and defaults.

    @raise Unmade: it takes what nobody can tell, or needs what a config cannot give.
    """
    return Maker(found).model


class Maker:
    """Makes something by its arguments, as a table of the config gives them."""

    def __init__(self, found: Any) -> None:
        """@raise Unmade: it takes what nobody can tell, or needs what a config cannot give."""
        self._found = found
        try:
            self._arguments = argumentsOf(found)
        except Exception as error:
            raise self._fault(f"the options of {named(found)} cannot be checked: {said(error)}") from None
        self._unfit: dict[str, str] = {}
        fields: dict[str, Any] = {}
        for each in self._arguments.named:
            try:
                fields[each.name] = _field(each)
            except Unfit as error:
                self._unfit[each.name] = str(error)
                if each.isRequired:
                    raise self._fault(f"{named(found)} needs {each.name}, and {error}{lineOf(found)}") from None
        self.model = _model(named(found), fields)

    def make(self, given: Mapping[str, Any], folder: Path) -> tuple[Any, dict[str, Any]]:
        """Give what options make; and the options as Python has them, with the defaults.

        @param folder: what paths are relative to.
        @raise Unmade: they make nothing.
        """
        model = self._modelFor(given)
        try:
            values = vars(model.model_validate(dict(given), context={"folder": folder}))
        except ValidationError as error:
            raise Unmade([self._explained(each) for each in mistakes(error, model, given)]) from None
        except Exception as error:  # Of a validator in an annotation.
            raise self._failed(error) from None
        return self._call({name: values[name] for name in given}), {**values}

    def _modelFor(self, given: Mapping[str, Any]) -> type[BaseModel]:
        """Give the model; with the keys that `**options` takes."""
        others = self._arguments.others
        more = [each for each in given if each not in self.model.model_fields and each not in self._unfit]
        if others is None or not more:
            return self.model
        try:
            return _model(named(self._found), {each: _field(others, each) for each in more}, self.model)
        except Unfit:
            return self.model

    def _explained(self, mistake: Mistake) -> Mistake:
        if len(mistake.loc) == 1 and mistake.loc[0] in self._unfit:
            return Mistake(mistake.loc, f"cannot be given: {self._unfit[str(mistake.loc[0])]}")
        return mistake

    def _call(self, values: dict[str, Any]) -> Any:
        positional = [each for each in self._arguments.named if each.isPositional]
        # A later one cannot be given without those before it.
        while positional and positional[-1].name not in values:
            positional.pop()
        first = [values.pop(each.name, each.default) for each in positional]
        try:
            return self._found(*first, **values)
        except (Exception, SystemExit) as error:
            attribute = self._blamed(error, values)
            if attribute is not None:
                # Those of attrs put the whole attribute beside the text.
                text = textOf(ValueError(*error.args[:1]))
                for name in (f"'{attribute.name}' ", f"{attribute.alias}: "):
                    text = text.removeprefix(name)
                raise Unmade([Mistake((attribute.alias,), text)]) from None
            if isinstance(error, ValidationError) and hasattr(self._found, "__pydantic_validator__"):
                model = self._found if hasattr(self._found, "model_fields") else self.model
                raise Unmade(mistakes(error, model, values)) from None
            if not isinstance(error, ValueError) or isinstance(error, ValidationError):
                raise self._failed(error) from None
            option, colon, what = textOf(error).partition(": ")
            if colon and option in self.model.model_fields:
                raise Unmade([Mistake((option,), what)]) from None
            line = ownLine(error, self._module).removeprefix(said(error))
            raise Unmade([Mistake((), f"{textOf(error)}{line}")]) from None

    def _blamed(self, error: BaseException, values: Mapping[str, Any]) -> Any:
        """Give the attribute of an attrs class whose validator or converter raised an error, else None."""
        attributes = getattr(self._found, "__attrs_attrs__", ())
        if not isinstance(error, ValueError | TypeError):
            return None
        for frame, _ in walk_tb(error.__traceback__):
            for each in attributes:
                if any(value is each for value in frame.f_locals.values()):
                    return each
        for each in attributes:
            if each.converter is not None and each.alias in values:
                try:
                    each.converter(values[each.alias])
                except (ValueError, TypeError) as again:
                    if textOf(again) == textOf(error):
                        return each
        return None

    @property
    def _module(self) -> str:
        return str(getattr(self._found, "__module__", ""))

    def _failed(self, error: BaseException) -> Unmade:
        return self._fault(f"{named(self._found)} failed: {ownLine(error, self._module)}")

    def _fault(self, what: str) -> Unmade:
        return Unmade([Mistake((), what)], isFault=True)


def _field(argument: Argument, name: str = "") -> tuple[Any, Any]:
    name = name or argument.name
    if argument.problem:
        raise Unfit(argument.problem)
    if name.startswith("_") or name == "model_config":
        raise Unfit(f"an option cannot be called {name}")
    annotation = fromToml(argument.annotation, _table)
    if argument.makeDefault is not None:
        return annotation, Field(default_factory=argument.makeDefault)
    default = argument.default
    if argument.isRequired:
        default = ...
    elif type(default).__hash__ is None:
        # pydantic would make a deep copy of it, and of all that is in it.
        return annotation, Field(default_factory=lambda: default)
    return annotation, default


def _model(name: str, fields: dict[str, Any], base: type[BaseModel] | None = None) -> type[BaseModel]:
    config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), arbitrary_types_allowed=False
    )
    with warnings.catch_warnings():
        # An option may be called as a method of pydantic's is: `copy`, `json`, `schema`.
        warnings.simplefilter("ignore", UserWarning)
        if base is not None:
            return create_model(name, __base__=base, **fields)
        return create_model(name, __config__=config, **fields)


class _Table:
    """Makes a table of the config into a dataclass, or the like."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._maker: Maker | None = None

    def __call__(self, value: Any, folder: Path) -> Any:
        if not isinstance(value, dict):
            raise ValueError
        try:
            # Not before it is needed: a table may hold tables of its own kind.
            self._maker = self._maker or Maker(self._kind)
            return self._maker.make(value, folder)[0]
        except Unmade as error:
            raise told(error.mistakes) from None


def _table(kind: Any) -> Any:
    """Give the annotation of a table; None for what is none."""
    return Annotated[kind, By(_Table(kind)), Expected("a table")] if isTable(kind) else None
