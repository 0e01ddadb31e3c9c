"""Runs the migrations inside a transaction that the caller has begun, without configuration files."""

from __future__ import annotations

from importlib import resources

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection


def upgrade(connection: Connection) -> None:
    """Bring the schema behind ``connection`` to the newest revision. The caller commits."""
    config = Config()
    with resources.as_file(resources.files(__package__)) as folder:
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        script = ScriptDirectory.from_config(config)

        def steps(revision: str, _context: object) -> list[object]:
            return list(script._upgrade_revs("head", revision))

        with EnvironmentContext(config, script, fn=steps) as environment:
            environment.configure(connection=connection, transactional_ddl=False)
            environment.run_migrations()
