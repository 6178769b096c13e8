"""What the tools say to developers, without a stack."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import common
import log
import processes
import stack as stacks
from common import Problem, Stack


@pytest.fixture
def nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that is not up, in a folder of its own."""
    monkeypatch.setattr(common, "TARGET", tmp_path)
    with socket.socket() as aws, socket.socket() as sandbox:
        for probe in (aws, sandbox):
            probe.bind(("127.0.0.1", 0))
        ports = aws.getsockname()[1], sandbox.getsockname()[1]
    nobodys = dataclasses.replace(common.stack_named("local"), aws_port=ports[0], sandbox_port=ports[1])
    nobodys.logs.mkdir(parents=True)
    return nobodys


@pytest.fixture
def foreign(nobodys: Stack) -> Iterator[Stack]:
    """Another program holds the port of its AWS."""
    with socket.socket() as program:
        program.bind(("127.0.0.1", nobodys.aws_port))
        program.listen()
        yield nobodys


def test_a_stack_that_is_not_up_is_said_in_a_line(nobodys: Stack) -> None:
    with pytest.raises(Problem, match="the local stack is not up") as said:
        nobodys.endpoints()
    assert "make up" in said.value.remedy


def test_a_stack_that_was_killed_is_not_up(nobodys: Stack) -> None:
    nobodys.endpoints_file.write_text("{}")
    with pytest.raises(Problem, match="the local stack is not up"):
        nobodys.endpoints()


def test_a_port_that_another_program_holds_is_told_before_anything_is_ended(foreign: Stack) -> None:
    with pytest.raises(Problem, match=f"port {foreign.aws_port}, .* is in use by another program") as told:
        processes.require_ports(foreign)
    assert f"ORDERS_AWS_PORT={foreign.aws_port + 100} make" in told.value.remedy


def test_what_a_killed_watch_has_left_is_not_taken_for_the_next_stacks_logs(nobodys: Stack) -> None:
    nobodys.watched_log.write_text("charge {}")
    stacks.down(nobodys)
    assert not nobodys.watched_log.exists()


@pytest.mark.parametrize(
    ("order", "message", "about"),
    [
        ("ord-100", '{"order_id":"ord-100"}', True),
        ("ord-100", '{"execution":"ord-100-2"}', True),
        ("ord-100", '{"key":"local.ord-100-1-capture"}', True),
        ("ord-100", '{"order_id":"ord-1001"}', False),
        ("ord-100", '{"order_id":"my-ord-100"}', False),
    ],
)
def test_the_lines_of_an_order_are_not_those_of_one_that_begins_the_same(order: str, message: str, about: bool) -> None:
    assert log.is_about(message, order) == about
