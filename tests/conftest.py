"""What every test may use."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gatewright.app.places import PUBLISHED

# A busy machine is no finding, and what a change is judged by is the same every time; ``--hypothesis-profile=default`` looks elsewhere.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing with them"
    )
    parser.addoption("--update-screenshots", action="store_true", help="write the pictures of docs/images anew")


def pytest_sessionfinish() -> None:
    """Remove what root's gateways of tests published whose own folder is gone; those of others, and of tests that run, stay."""
    if os.geteuid() != 0:
        return
    for note in Path(PUBLISHED).glob("*/gateway-folder"):
        with contextlib.suppress(FileNotFoundError):  # another session of tests does the same
            folder = Path(note.read_text().strip())
            if folder.is_relative_to(tempfile.gettempdir()) and not folder.exists():
                shutil.rmtree(note.parent)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
