"""The model of the lifecycle against SQLite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from tests.pki_lifecycle import Lifecycle

TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
