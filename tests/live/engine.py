"""The container engine of this machine: one command, and the project's image built from the working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
USABLE = os.geteuid() == 0 and all(map(shutil.which, ("podman", "runc", "mmdebstrap")))
BASE = "docker.io/library/debian:trixie-slim"
# What a container engine for nested use needs.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--no-healthcheck")


def podman(*words: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    done = subprocess.run(
        ["podman", "--runtime", "runc", *words], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def build(name: str, context: Path, *options: str) -> None:
    """An image of that name."""
    # The certificates of this machine, so that its own package index can be verified while building.
    certificates = ("-v", "/etc/ssl/certs:/etc/ssl/certs:ro")
    podman("build", "--isolation", "chroot", "--format", "docker", "-q", *certificates, *options, "-t", name,
           str(context), seconds=900)  # fmt: skip


@contextmanager
def built() -> Iterator[str]:
    """The name of the project's image; its base comes from Debian's archive where it is not there. Untagged at the end, so that its layers stay cached."""
    if podman("image", "exists", BASE, check=False).returncode:
        with tempfile.TemporaryDirectory(prefix="gatewright-base-") as folder:
            tar = f"{folder}/base.tar"
            subprocess.run(
                ["mmdebstrap", "-q", "--variant=minbase", "--include=ca-certificates", "trixie", tar], check=True
            )
            podman("import", "-q", tar, BASE)
    name = f"localhost/gatewright-test:{os.getpid()}"
    build(name, ROOT)
    yield name
    podman("rmi", "-f", name, check=False)
