"""Zips built functions as `cargo lambda build` would: target/functions/<function>/bootstrap.zip,
apart from target/lambda, where release builds for AWS land.

    package.py [--from target/debug] [--to target/functions] [--binary name] [--kind step ...]

For the local stack: the binaries that `cargo build` has made for the tests are the ones that run, so
nothing is compiled twice. The same binary always gives the same zip, which Terraform then leaves alone.
"""

from __future__ import annotations

import argparse
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from common import TARGET, Problem, function_names, run_tool, say


def main() -> None:
    parser = argparse.ArgumentParser(description="Zips built functions.")
    parser.add_argument("--from", dest="binaries", type=Path, default=TARGET / "debug")
    parser.add_argument("--to", dest="zips", type=Path, default=TARGET / "functions")
    parser.add_argument("--binary", help="one binary for all of them, if it is not one of its own for each")
    parser.add_argument("--kind", nargs="*", default=[None], help="only functions of these kinds")
    arguments = parser.parse_args()
    stale = []
    for function in (name for kind in arguments.kind for name in function_names(kind)):
        binary, archive = (
            arguments.binaries / (arguments.binary or function),
            arguments.zips / function / "bootstrap.zip",
        )
        if not binary.is_file():
            raise Problem(f"{binary} has not been built", "make build")
        if not archive.exists() or archive.stat().st_mtime_ns < binary.stat().st_mtime_ns:
            stale.append((binary, archive))
    with ProcessPoolExecutor() as pool:
        for (_, archive), size in zip(stale, pool.map(_packed, stale), strict=True):
            say(f"zipped {archive.parent.name}: {size / 1e6:.1f} MB")


def _packed(pair: tuple[Path, Path]) -> int:
    binary, archive = pair
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(".part")
    # A fixed date and mode: the zip's hash is the binary's and nothing else's.
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(part, "w") as packed:
        # Level 1: a quarter of level 6's time for a tenth more bytes.
        packed.writestr(entry, binary.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
    part.replace(archive)
    return archive.stat().st_size


if __name__ == "__main__":
    run_tool(main)
