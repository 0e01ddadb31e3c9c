"""The model of the lifecycle against PostgreSQL: the same model, each run in a database of its own."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.pki_lifecycle import Lifecycle

pytestmark = pytest.mark.sql


def test_lifecycle(postgresql: str) -> None:
    """No revoked certificate is ever valid and no serial repeats, on PostgreSQL too."""
    engine = sa.create_engine(postgresql.replace("postgresql", "postgresql+psycopg", 1), isolation_level="AUTOCOMMIT")
    numbers = itertools.count()

    class OnPostgresql(Lifecycle):
        def __init__(self) -> None:
            name = f"lifecycle{next(numbers)}"
            with engine.connect() as connection:
                connection.execute(sa.text(f"CREATE DATABASE {name}"))
            self.url = postgresql.rsplit("/", 1)[0] + f"/{name}"
            super().__init__()

    how = settings(max_examples=10, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(OnPostgresql, settings=how)
    engine.dispose()
