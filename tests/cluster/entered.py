"""What is started when it is entered, and ended when it is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Entered(ABC):
    """A context manager; what cannot be started whole is ended again."""

    @abstractmethod
    def enter(self) -> None:
        """Start it, and wait until it is there."""

    @abstractmethod
    def leave(self) -> None:
        """End what of it there is."""

    def __enter__(self) -> Self:
        try:
            self.enter()
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
