"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SORTED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table and index."""
    _generations()
    _certificates()
    _revocations()
    op.create_table(
        "crls",
        sa.Column("issuer", _ID, sa.ForeignKey("ca_generations.id"), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("this_update", sa.BigInteger, nullable=False),
        sa.Column("next_update", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log",
        sa.Column("seq", _ID, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )


def _generations() -> None:
    op.create_table(
        "ca_generations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("parent", _ID, sa.ForeignKey("ca_generations.id"), nullable=False),
        sa.Column("key_ref", sa.Text, nullable=False),
        sa.Column("key_state", sa.Text, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("crl_url", sa.Text),
        sa.UniqueConstraint("authority", "role", "number", name="uq_generation_number"),
        sa.UniqueConstraint("subject", name="uq_generation_subject"),
    )


def _certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("issuer", _ID, sa.ForeignKey("ca_generations.id"), nullable=False),
        sa.Column("serial", sa.LargeBinary, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("spki_sha256", sa.LargeBinary, nullable=False),
        sa.Column("pem_sha1", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("client", _SORTED),
        sa.Column("key_ref", sa.Text),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.UniqueConstraint("serial", "issuer", name="uq_certificate_serial"),
    )
    op.create_index("ix_certificate_sha256", "certificates", ["sha256"], unique=True)
    op.create_index("ix_certificate_spki", "certificates", ["spki_sha256"])
    op.create_index("ix_certificate_not_after", "certificates", ["not_after", "id"])
    op.create_index("ix_certificate_client", "certificates", ["client", "profile", "id"])
    op.create_index(
        "ix_certificate_not_valid",
        "certificates",
        ["not_after", "id"],
        sqlite_where=sa.text("status <> 'valid'"),
        postgresql_where=sa.text("status <> 'valid'"),
    )
    op.create_table(
        "names",
        sa.Column("certificate", _ID, sa.ForeignKey("certificates.id"), primary_key=True),
        sa.Column("value", _SORTED, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_name_value", "names", ["value", "certificate"])


def _revocations() -> None:
    op.create_table(
        "revocations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("certificate", _ID, sa.ForeignKey("certificates.id"), nullable=False),
        sa.Column("issuer", _ID, sa.ForeignKey("ca_generations.id"), nullable=False),
        sa.Column("serial", sa.LargeBinary, nullable=False),
        sa.Column("pem_sha1", sa.LargeBinary, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.SmallInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("undo_until", sa.BigInteger),
        sa.Column("undone_at", sa.BigInteger),
    )
    op.create_index("ix_revocation_certificate", "revocations", ["certificate"])
    op.create_index("ix_revocation_issuer", "revocations", ["issuer", "not_after"])
