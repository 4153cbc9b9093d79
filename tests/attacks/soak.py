"""`make soak`: all attacks in turns, for a long time, against the shipped configs and that of the attacks.

How growth is judged: after each round of all attacks each process is left alone until its descriptors are those of
the beginning, and its resident memory is noted. The first half of the time is the warm-up: what Python's allocator
has once had it keeps, so the memory rises until each attack has met the worst moment. The slope of what follows is
the median of the slopes between any two notes (Theil, Sen), which one unlucky note cannot bend. It fails when even
the lower end of that slope's confidence interval (one-sided, 95 %; Sen 1968) exceeds 1 MiB/h; when a descriptor is
left over; when an attack does not end as it should; or when the log has a traceback. Six rounds after the warm-up
are the least that can show anything.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from tests.process import CHECKOUT, Server

from . import ATTACKS
from .attack import MIB, Attack
from .target import CONFIG, Neighbour, Target

_WARM_UP = 0.5
_SLOPE = 1.0
"""MiB an hour that the resident memory may grow."""
_CONFIDENCE = 1.645
"""The 95th percentile of the normal distribution."""


@dataclass
class Note:
    """What a process took after a round."""

    at: float
    """Seconds since the beginning."""
    memory: float
    """MiB."""
    descriptors: int


@dataclass
class Subject:
    """One process, and what was seen of it."""

    name: str
    target: Target
    descriptors: int
    notes: list[Note] = field(default_factory=list)

    def note(self, begun: float) -> None:
        """Wait until it has come to rest, and note what it takes."""
        count = self.target.settle(self.descriptors)
        self.notes.append(Note(time.monotonic() - begun, self.target.memory() / MIB, count))

    def faults(self, warm: float) -> Iterator[str]:
        """Say what is wrong with it; nothing, if all is well.

        @param warm: seconds of warm-up.
        """
        notes = [each for each in self.notes if each.at >= warm]
        slope, least = slopeOf(notes)
        if least > _SLOPE:
            yield f"{self.name}: the memory grows by {slope:.2f} MiB/h"
        if notes[-1].descriptors > self.descriptors:
            yield f"{self.name}: {notes[-1].descriptors - self.descriptors} descriptors are left over"
        for word in ("Traceback", "Unhandled"):
            if word in self.target.server.log:
                yield f"{self.name}: {word} is in the log"


@dataclass
class Score:
    """What one attack was, all in all."""

    runs: int = 0
    seconds: float = 0.0
    worst: float = 0.0
    growth: int = 0

    def run(self, attack: Attack, subject: Subject) -> Iterator[str]:
        """Attack once; say what was not as it should be."""
        neighbour, begun = Neighbour(subject.target), time.monotonic()
        try:
            with neighbour:
                attack.run(subject.target, attack.transport, attack.long)
        except Exception as error:
            yield f"{attack} against {subject.name}: {error!r:.300}"
        self.runs += 1
        self.seconds += time.monotonic() - begun
        self.worst = max(self.worst, neighbour.worst)
        self.growth = max(self.growth, neighbour.growth)


def slopeOf(notes: list[Note]) -> tuple[float, float]:
    """Give MiB an hour, and the lower end of its confidence interval; of too few notes that is minus infinity."""
    slopes = sorted((b.memory - a.memory) / (b.at - a.at) * 3600 for a, b in combinations(notes, 2))
    count = len(notes)
    spread = _CONFIDENCE * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lowest = int((len(slopes) - spread) / 2)
    return statistics.median(slopes or [0.0]), slopes[lowest] if count >= 6 else -math.inf


def folderWith(folder: Path) -> Path:
    """Fill a folder with the configs, and certificates for them."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for path in (CONFIG, *(CHECKOUT / "configs").glob("*.toml")):
        shutil.copy(path, folder)
    return folder


def soak(seconds: float, seed: int, attacks: tuple[Attack, ...]) -> int:
    """Attack for so long; print what was seen, and give the status."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    chance, scores = random.Random(seed), {str(each): Score() for each in attacks}
    faults: list[str] = []
    with ExitStack() as stack:
        folder = folderWith(Path(stack.enter_context(TemporaryDirectory())))
        subjects = []
        for config in (CONFIG.name, "lab.toml", "tls.toml"):
            server = Server(folder / config, "--any-port", "--trace", "off", folder=folder)
            target = Target(stack.enter_context(server), folder)
            subjects.append(Subject(config, target, target.keeps()))
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            turns = [(each, subject) for each in attacks for subject in subjects if each.fits(subject.target)]
            chance.shuffle(turns)
            for attack, subject in turns:
                faults += scores[str(attack)].run(attack, subject)
                if time.monotonic() - begun > seconds * 1.1:
                    break
            for subject in subjects:
                subject.note(begun)
            memory = ", ".join(f"{each.name} {each.notes[-1].memory:.1f} MiB" for each in subjects)
            print(f"{(time.monotonic() - begun) / 60:6.1f} min: {memory}", flush=True)
        warm = min(seconds * _WARM_UP, *(each.notes[-1].at for each in subjects))
        report(subjects, scores, warm)
        faults += [fault for each in subjects for fault in each.faults(warm)]
        cpu = sum(each.target.cpu() for each in subjects)
    print(
        f"\n{(time.monotonic() - begun) / 60:.1f} min, seed {seed}, {cpu:.0f} s of processor time of the servers"
    )
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


def report(subjects: list[Subject], scores: dict[str, Score], warm: float) -> None:
    """Print both tables."""
    print("\n| attack | runs | s each | slowest answer to others, s | memory meanwhile, MiB |")
    print("| --- | --: | --: | --: | --: |")
    for name, score in scores.items():
        if score.runs:
            each = score.seconds / score.runs
            print(f"| {name} | {score.runs} | {each:.2f} | {score.worst:.2f} | +{score.growth / MIB:.1f} |")
    print("\n| config | rounds | MiB at first | warm | at last | MiB/h | at least | descriptors | log, KiB |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: | --: |")
    for subject in subjects:
        notes = [each for each in subject.notes if each.at >= warm]
        memory = f"{subject.notes[0].memory:.1f} | {notes[0].memory:.1f} | {notes[-1].memory:.1f}"
        left = notes[-1].descriptors - subject.descriptors
        log = len(subject.target.server.log) / 1024
        slope, least = slopeOf(notes)
        rounds = len(subject.notes)
        print(f"| {subject.name} | {rounds} | {memory} | {slope:+.2f} | {least:+.2f} | {left:+d} | {log:.0f} |")


def main() -> int:
    """Read the command line, and attack."""
    parser = argparse.ArgumentParser(prog="make soak", description="Attack for a long time.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="of the order of the attacks")
    parser.add_argument("--only", default="", help="attacks whose names have this in them")
    arguments = parser.parse_args()
    attacks = tuple(each for each in ATTACKS if arguments.only in str(each))
    return soak(arguments.minutes * 60, arguments.seed, attacks)


if __name__ == "__main__":
    sys.exit(main())
