"""What players see: in memory, on any two transports, and over the network."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from rock_paper_scissors import MOVES, GameFactory

from socklab.limits import Limits
from socklab.testing import MemoryServer

TRANSPORTS = ["tcp", "tls", "unix", "udp", "websocket"]


def come(server: MemoryServer, name: str, transport: str = "tcp") -> Any:
    """Give a player that has said its name, and has read what came."""
    player = getattr(server, transport)()
    player.say(name)
    player.hear()
    return player


def pair(server: MemoryServer, first: str = "tcp", second: str = "tcp") -> tuple[Any, Any]:
    """Give two who play with each other, and have read what came."""
    alice = come(server, "alice", first)
    bob = come(server, "bob", second)
    alice.hear()
    return alice, bob


@pytest.mark.parametrize(("first", "second"), [*product(TRANSPORTS, TRANSPORTS)])
def test_game(first: str, second: str) -> None:
    """Two who came by any two transports play; each sees the other's move when both have moved."""
    server = MemoryServer(GameFactory())
    alice = getattr(server, first)()
    alice.say("alice")
    assert alice.hear() == ["What is your name?", "Hello, alice. Wait for somebody to play with."]
    bob = getattr(server, second)()
    bob.say("bob")
    assert bob.hear() == ["What is your name?", "You play with alice.", "Rock, paper or scissors?"]
    assert alice.hear() == ["You play with bob.", "Rock, paper or scissors?"]
    bob.say("Rock")
    assert (alice.hear(), bob.hear()) == (["bob has moved."], [])
    alice.say("보")
    assert alice.hear() == ["alice: paper, bob: rock. It is 1:0.", "Rock, paper or scissors?"]
    assert bob.hear() == ["bob: rock, alice: paper. It is 0:1.", "Rock, paper or scissors?"]


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("rock", "rock", "0:0"),
        ("rock", "paper", "0:1"),
        ("rock", "scissors", "1:0"),
        ("paper", "rock", "1:0"),
        ("paper", "paper", "0:0"),
        ("paper", "scissors", "0:1"),
        ("scissors", "rock", "0:1"),
        ("scissors", "paper", "1:0"),
        ("scissors", "scissors", "0:0"),
    ],
)
def test_rules(one: str, other: str, score: str) -> None:
    """Rock beats scissors, scissors beat paper, paper beats rock."""
    alice, bob = pair(MemoryServer(GameFactory()))
    alice.say(one)
    bob.say(other)
    assert f"alice: {one}, bob: {other}. It is {score}." in alice.hear()


@pytest.mark.parametrize("word", MOVES)
def test_moves_of_a_cp949_player(word: str) -> None:
    """Moves may be Korean, and in the player's own encoding."""
    server = MemoryServer(GameFactory(), encoding="cp949")
    alice, bob = pair(server)
    alice.say(word)
    assert bob.hear() == ["alice has moved."]


def test_no_second_thoughts() -> None:
    """A move cannot be changed, and what is no move is none."""
    alice, bob = pair(MemoryServer(GameFactory()))
    alice.say("well")
    assert alice.hear() == ["Say rock, paper or scissors."]
    alice.say("rock")
    alice.say("paper")
    assert alice.hear() == ["You have moved; bob has not."]
    bob.say("rock")
    assert alice.hear()[0] == "alice: rock, bob: rock. It is 0:0."


def test_leaving() -> None:
    """Who leaves in the middle of a round leaves the other one to the next who comes, at 0:0."""
    server = MemoryServer(GameFactory())
    alice, bob = pair(server)
    alice.say("rock")
    bob.say("paper")
    alice.say("rock")
    alice.reset()
    assert bob.hear()[-2:] == ["alice has left.", "Hello, bob. Wait for somebody to play with."]
    bob.say("paper")
    assert bob.hear() == ["Nobody else is here yet."]
    carol = come(server, "carol")
    assert bob.hear() == ["You play with carol.", "Rock, paper or scissors?"]
    carol.say("rock")
    bob.say("paper")
    assert carol.hear()[0] == "carol: rock, bob: paper. It is 0:1."


def test_leaving_while_waiting() -> None:
    """Who leaves before an opponent has come is not waited for."""
    server = MemoryServer(GameFactory())
    come(server, "alice").reset()
    bob = server.tcp()
    bob.say("bob")
    assert bob.hear()[-1] == "Hello, bob. Wait for somebody to play with."


def test_third() -> None:
    """A third player waits for a fourth; the game of the others goes on."""
    server = MemoryServer(GameFactory())
    alice, bob = pair(server)
    carol, dave = pair(server)
    for player in (alice, carol, bob, dave):
        player.say("rock")
    assert [player.hear()[-1] for player in (alice, bob, carol, dave)] == ["Rock, paper or scissors?"] * 4


def test_too_slow() -> None:
    """Who does not move in time is out; the other one, who has moved or not, waits for the next opponent."""
    server = MemoryServer(GameFactory(move_time=30))
    alice, bob = pair(server)
    server.advance(29)
    alice.say("rock")
    server.advance(2)
    assert bob.hear() == ["alice has moved.", "Too slow. Goodbye."]
    assert bob.finished
    assert alice.hear() == ["bob has left.", "Hello, alice. Wait for somebody to play with."]
    server.advance(3600)
    assert not alice.finished


def test_no_name() -> None:
    """Who says no name in time is out, as the service's limit `idle` says; who waits for an opponent may wait."""
    server = MemoryServer(GameFactory(), limits=Limits(idle=60))
    silent, waiting = server.tcp(), come(server, "alice")
    server.advance(61)
    assert silent.hear() == ["What is your name?", "Too slow. Goodbye."]
    assert silent.finished
    assert not waiting.finished


@pytest.mark.parametrize("name", ["", "   ", "x" * 21])
def test_bad_name(name: str) -> None:
    """A name has 1 to 20 characters."""
    player = MemoryServer(GameFactory()).tcp()
    player.say(name)
    assert player.hear()[-1] == "A name has 1 to 20 characters."


def test_controls_in_a_name() -> None:
    """A name does not control the terminal of the other player."""
    server = MemoryServer(GameFactory())
    come(server, "\x1b[2J", "websocket")
    bob = server.tcp()
    bob.say("bob")
    assert bob.hear()[1] == "You play with \N{REPLACEMENT CHARACTER}[2J."
