"""The tables. Alembic migrations make them; this module describes them to SQLAlchemy.

``audit_event`` is the log: ``body`` holds the canonical RFC 8785 text whose bytes are the leaf,
and every other column repeats something from it for queries. Verification compares the two.
``personal`` holds the erasable texts that the log only commits to.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BigKey = BigInteger().with_variant(Integer(), "sqlite")
SCHEMA_REVISION = "0005"
"""The Alembic revision this code works with; a test pins it to the migrations' head."""
VERSION_TABLE = "guardrail_alembic_version"


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can refer to it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class AuditEvent(Base):
    """One event: one leaf of the tree. Append-only, enforced by the database."""

    __tablename__ = "audit_event"

    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    """0, 1, 2, ... without gaps: the leaf's index."""
    event_id: Mapped[str] = mapped_column(String(36), unique=True)
    type: Mapped[str] = mapped_column(String(64))
    time: Mapped[str] = mapped_column(String(27))
    """RFC 3339 UTC, fixed width."""
    record_id: Mapped[str | None] = mapped_column(String(36), index=True)
    request_id: Mapped[str | None] = mapped_column(String(36), index=True)
    tenant: Mapped[str | None] = mapped_column(String(255))
    purpose: Mapped[str | None] = mapped_column(String(255))
    verdict: Mapped[str | None] = mapped_column(String(16))
    model: Mapped[str | None] = mapped_column(String(255))
    policy_digest: Mapped[str | None] = mapped_column(String(64))
    seed: Mapped[str | None] = mapped_column(String(20))
    asset_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    body: Mapped[str] = mapped_column(Text())

    __table_args__ = (
        Index("ix_audit_event_type_seq", "type", "seq"),
        Index("ix_audit_event_tenant_seq", "tenant", "seq"),
        Index("ix_audit_event_time_seq", "time", "seq"),
    )


class TreeState(Base):
    """The tree's frontier after each commit. Append-only; the last row is the head."""

    __tablename__ = "tree_state"

    size: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    frontier: Mapped[bytes] = mapped_column(LargeBinary())
    root: Mapped[bytes] = mapped_column(LargeBinary(32))


class TreeNode(Base):
    """Every eighth level of the tree, so that proofs are quick. Append-only."""

    __tablename__ = "tree_node"

    level: Mapped[int] = mapped_column(Integer(), primary_key=True, autoincrement=False)
    """8, 16, ...: the node stands over ``2**level`` leaves."""
    position: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class FoundBy(Base):
    """Which rule found what in which event: repeats the hashed text for queries. Append-only."""

    __tablename__ = "found_by"

    seq: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    rule_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    reason_code: Mapped[str] = mapped_column(String(255), primary_key=True)
    record_id: Mapped[str] = mapped_column(String(36), index=True)

    __table_args__ = (
        Index("ix_found_by_rule_id_seq", "rule_id", "seq"),
        Index("ix_found_by_reason_code_seq", "reason_code", "seq"),
    )


class StoredCheckpoint(Base):
    """A checkpoint that was signed. Append-only."""

    __tablename__ = "checkpoint"

    size: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    key_id: Mapped[str] = mapped_column(String(8), primary_key=True)
    time: Mapped[str] = mapped_column(String(27))
    note: Mapped[str] = mapped_column(Text())
    """The whole signed note."""


class PolicyVersion(Base):
    """The full text of every policy that ever decided. Append-only."""

    __tablename__ = "policy_version"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    policy_id: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(64))
    stored: Mapped[str] = mapped_column(String(27))
    text: Mapped[str] = mapped_column(Text())


class Personal(Base):
    """A text the log commits to as ``SHA-256(domain || salt || text)``. The only table whose rows
    may be deleted: erasure destroys the text and its salt, and every proof still holds."""

    __tablename__ = "personal"

    commitment: Mapped[str] = mapped_column(String(64), primary_key=True)
    record_id: Mapped[str] = mapped_column(String(36), index=True)
    field: Mapped[str] = mapped_column(String(32))
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    text: Mapped[str] = mapped_column(Text())

    __table_args__ = (Index("ix_personal_field_text", "field", "record_id"),)


ONCE_INDEXES = ("uq_audit_event_opened", "uq_audit_event_closed")
"""Partial unique indexes: a record is opened once and closed once, whoever writes."""
ACTOR_INDEX = "ix_personal_actor"
"""A partial index of the actors by their text (by its MD5 on PostgreSQL, whose keys are short). It
lies in the erasable table, and goes with the text."""
