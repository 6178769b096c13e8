"""Takes the walks of docs/DEVELOPING.md in a copy of the project: makes each edit, then runs what it says.

    walks.py [--list] [heading...]

What a walk says is what is done. A paragraph that ends with a colon and stands before a block of code says where
the block goes:

    In `FILE`, after `LINE`:                   `LINE` is how a line begins, without its indentation;
    In `FILE`, before `LINE`, `LINE`:          of several, each is looked for after the one before it
    In `FILE`, instead of `LINE`:
    In `FILE`, instead of `LINE` to `LINE`:
    New, `FILE`:
    At the end of `FILE`:
    Run:
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import ROOT, TARGET, Problem, run_tool, say

_DOCUMENT = ROOT / "docs" / "DEVELOPING.md"
_CODE = re.compile(r"(`+)(.+?)\1")
_BLOCK = re.compile(r"(?P<where>[^\n]+:)\n\n(?P<indent> *)```\w*\n(?P<code>.*?)\n(?P=indent)```", re.DOTALL)


@dataclass(frozen=True)
class Move:
    """A block of code, and the sentence before it."""

    where: str
    code: str

    @property
    def places(self) -> list[str]:
        return [code.strip() for _, code in _CODE.findall(self.where)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes the walks of docs/DEVELOPING.md.")
    parser.add_argument("--list", action="store_true", help="only say which there are, and how many edits each has")
    parser.add_argument("headings", nargs="*", help="only walks with such a word in their heading")
    arguments = parser.parse_args()
    walks = {
        heading: moves
        for heading, moves in _walks(_DOCUMENT.read_text()).items()
        if not arguments.headings or any(word in heading.lower() for word in arguments.headings)
    }
    if not walks:
        raise Problem("there is no such walk", "tools/walks.py --list names them")
    for heading, moves in walks.items():
        edits = sum(not move.where.startswith("Run") for move in moves)
        files = {move.places[0] for move in moves if move.places}
        say(f"{heading}: {edits} edits in {len(files)} files")
        if not arguments.list:
            _take(heading, moves)


def _walks(document: str) -> dict[str, list[Move]]:
    """Each section that says where a block goes."""
    walks = {}
    for heading, text in _sections(document):
        found = [
            Move(match["where"].strip().lstrip("0123456789. "), textwrap.dedent(match["code"] + "\n"))
            for match in _BLOCK.finditer(text)
        ]
        moves = [move for move in found if re.match(r"In `|New, `|At the end of `|Run:", move.where)]
        if any(move.places for move in moves):
            walks[heading.strip()] = moves
    return walks


def _sections(document: str) -> Iterator[tuple[str, str]]:
    """Those under headings of the second level; what stands in a block of code is none."""
    heading, lines, in_code = "", list[str](), False
    for line in document.splitlines():
        in_code ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not in_code:
            yield heading, "\n".join(lines)
            heading, lines = line.removeprefix("## "), []
        lines.append(line)
    yield heading, "\n".join(lines)


def _take(heading: str, moves: list[Move]) -> None:
    began = time.monotonic()
    folder = TARGET / "walks"
    _copy(folder)
    _rename_version(folder)
    for move in moves:
        if move.where.startswith("Run"):
            _run(folder, move.code)
        else:
            _edit(folder, move)
    say(f"{heading}: as it is written ({time.monotonic() - began:.0f} s)")


def _copy(folder: Path) -> None:
    """Makes it the project as it is now, committed or not. Only what differs is written, with a new time, so that Cargo
    builds just what the walk before had changed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name}
    kept = {name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink()}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(folder)) not in kept:
            path.unlink()
    for name in kept:
        source, copy = ROOT / name, folder / name
        if not copy.exists() or not filecmp.cmp(source, copy, shallow=False):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def _rename_version(folder: Path) -> None:
    """Cargo tells the crates of two copies apart by their versions only, and all share one target folder: the
    dependencies are built already."""
    manifest = folder / "Cargo.toml"
    text, found = re.subn(r'(?m)^(version = "[^"]+)"$', rf'\1-{folder.name}"', manifest.read_text(), count=1)
    if not found:
        raise Problem("Cargo.toml has no version", "mend tools/walks.py")
    manifest.write_text(text)
    _run(folder, "cargo update --workspace --offline", quiet=True)


def _edit(folder: Path, move: Move) -> None:
    name, *anchors = move.places
    file = folder / name
    if move.where.startswith("New"):
        if file.exists():
            raise Problem(f"{name} is there already", f"mend the walk: {move.where}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(move.code)
        return
    if not file.exists():
        raise Problem(f"there is no {name}", f"mend the walk: {move.where}")
    lines = file.read_text().splitlines()
    if move.where.startswith("At the end"):
        file.write_text("\n".join([*lines, "", move.code]))
        return
    through = anchors.pop() if re.search(r"`+ to `.+`:$", move.where) else None
    first = _find(lines, anchors, move)
    last = first
    if through is not None:
        last = _find(lines, [through], move, begin=first)
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    code = [indent + line if line else "" for line in move.code.splitlines()]
    if "`, after `" in move.where:
        lines[first + 1 : first + 1] = code
    elif "`, before `" in move.where:
        lines[first:first] = code
    elif "`, instead of `" in move.where:
        lines[first : last + 1] = code
    else:
        raise Problem(f"it is not said where in {name}", f"mend the walk: {move.where}")
    file.write_text("\n".join(lines) + "\n")


def _find(lines: list[str], anchors: list[str], move: Move, begin: int = 0) -> int:
    """The line that begins with the last anchor, behind the lines of those before it."""
    at = begin
    for number, anchor in enumerate(anchors):
        begins = [place for place in range(at, len(lines)) if lines[place].lstrip().startswith(anchor)]
        if not begins:
            raise Problem(f"no line of {move.places[0]} begins with {anchor!r}", f"mend the walk: {move.where}")
        at = begins[0] + (number < len(anchors) - 1)
    return at


def _run(folder: Path, code: str, *, quiet: bool = False) -> None:
    for command in (line for line in code.splitlines() if line.strip()):
        if not quiet:
            say(f"  {command}")
        # That a walk leads where it says is shown by a few stories as well as by many.
        cargo = {"CARGO_TARGET_DIR": str(TARGET), "CARGO_TERM_QUIET": "true"}
        cargo |= {"PROPTEST_CASES": "16"}
        environment = {**os.environ, **cargo}
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout[-6000:] + done.stderr[-6000:])
            raise Problem(
                f"`{command}` fails, as the walk is written", f"see above; the copy is {folder.relative_to(ROOT)}"
            )


if __name__ == "__main__":
    run_tool(main)
