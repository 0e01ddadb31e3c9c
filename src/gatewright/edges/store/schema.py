"""Tables and indexes. The migrations make them; a test compares the two, so neither can drift from the other.

Times are whole seconds since 1970-01-01 UTC: both databases compare and index them alike.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISION = "0001"
"""The newest migration. A database at this revision is opened without loading the migration machinery."""

metadata = MetaData()

# SQLite numbers rows by itself only for INTEGER PRIMARY KEY. Collation "C" lets PostgreSQL use an index for prefixes.
_Id = BigInteger().with_variant(Integer(), "sqlite")
_Sorted = Text().with_variant(Text(collation="C"), "postgresql")

generations = Table(
    "ca_generations",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("authority", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent", _Id, ForeignKey("ca_generations.id"), nullable=False),
    Column("key_ref", Text, nullable=False),
    Column("key_state", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("spki_sha256", LargeBinary, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("crl_url", Text),
    UniqueConstraint("authority", "role", "number", name="uq_generation_number"),
    UniqueConstraint("subject", name="uq_generation_subject"),
)

certificates = Table(
    "certificates",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("issuer", _Id, ForeignKey("ca_generations.id"), nullable=False),
    Column("serial", LargeBinary, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("spki_sha256", LargeBinary, nullable=False),
    Column("pem_sha1", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("names", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("client", _Sorted),
    Column("key_ref", Text),
    Column("requested_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    # Serial first: the pair is as unique, and a serial alone can be looked up too.
    UniqueConstraint("serial", "issuer", name="uq_certificate_serial"),
    Index("ix_certificate_sha256", "sha256", unique=True),
    Index("ix_certificate_spki", "spki_sha256"),
    Index("ix_certificate_not_after", "not_after", "id"),
    Index("ix_certificate_client", "client", "profile", "id"),
    # Few are revoked or held; without an index of their own, looking for them would read everything.
    Index(
        "ix_certificate_not_valid",
        "not_after",
        "id",
        sqlite_where=text("status <> 'valid'"),
        postgresql_where=text("status <> 'valid'"),
    ),
)

# Every name by which a certificate can be looked up, its client's name among them.
names = Table(
    "names",
    metadata,
    Column("certificate", _Id, ForeignKey("certificates.id"), primary_key=True),
    Column("value", _Sorted, primary_key=True),
    Column("kind", Text, nullable=False),
    Index("ix_name_value", "value", "certificate"),
    sqlite_with_rowid=False,
)

revocations = Table(
    "revocations",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("certificate", _Id, ForeignKey("certificates.id"), nullable=False),
    Column("issuer", _Id, ForeignKey("ca_generations.id"), nullable=False),
    Column("serial", LargeBinary, nullable=False),
    Column("pem_sha1", LargeBinary, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("undo_until", BigInteger),
    Column("undone_at", BigInteger),
    Index("ix_revocation_certificate", "certificate"),
    Index("ix_revocation_issuer", "issuer", "not_after"),
)

crls = Table(
    "crls",
    metadata,
    Column("issuer", _Id, ForeignKey("ca_generations.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("this_update", BigInteger, nullable=False),
    Column("next_update", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
