"""The tables of the workbench. Every row has an owner; every time is seconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, Text, text
from sqlmodel import Field, SQLModel

#: SQLite counts rows by itself only in a plain INTEGER key; PostgreSQL wants eight bytes.
BigKey = BigInteger().with_variant(Integer, "sqlite")
#: PostgreSQL's name for a double is too narrow as ``Float``; a time needs all 53 bits.
Seconds = Float(53)
metadata: MetaData = SQLModel.metadata


class User(SQLModel, table=True):
    """Somebody who may sign in; without a password only by a link or a token."""

    __tablename__ = "user_account"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=100)
    password_hash: str | None = None
    is_admin: bool = False
    created_at: float = Field(sa_type=Seconds)


class BrowserSession(SQLModel, table=True):
    """One browser that has signed in; the cookie's secret is kept as its hash."""

    __tablename__ = "browser_session"
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id", index=True)
    token_hash: str = Field(unique=True)
    created_at: float = Field(sa_type=Seconds)
    expires_at: float = Field(sa_type=Seconds)


class ApiToken(SQLModel, table=True):
    """A program's key to the web API; kept as its hash, limited by scopes, revocable."""

    __tablename__ = "api_token"
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id", index=True)
    name: str = Field(max_length=100)
    token_hash: str = Field(unique=True)
    scopes: str = "[]"
    created_at: float = Field(sa_type=Seconds)
    last_used_at: float | None = Field(default=None, sa_type=Seconds)
    revoked_at: float | None = Field(default=None, sa_type=Seconds)


class Job(SQLModel, table=True):
    """One durable run of a capability: its order, its lease, its outcome."""

    __tablename__ = "job"
    __table_args__ = (
        Index(
            "job_queue",
            "agent",
            text("priority DESC"),
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "job_lease",
            "lease_until",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        Index(
            "job_parent",
            "parent_id",
            sqlite_where=text("parent_id IS NOT NULL"),
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
        Index(
            "job_key",
            "owner_id",
            "key",
            unique=True,
            sqlite_where=text("key IS NOT NULL"),
            postgresql_where=text("key IS NOT NULL"),
        ),
        Index("job_owner", "owner_id", "id"),
        Index(
            "job_ended",
            "ended_at",
            sqlite_where=text("ended_at IS NOT NULL"),
            postgresql_where=text("ended_at IS NOT NULL"),
        ),
        Index(
            "job_alarm",
            "wake_at",
            sqlite_where=text("wake_at IS NOT NULL"),
            postgresql_where=text("wake_at IS NOT NULL"),
        ),
    )
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    capability: str
    params: str
    state: str
    priority: int = 0
    key: str | None = None
    parent_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, ForeignKey("job.id"), nullable=True)
    )
    attempt: int = 0
    max_attempts: int = 1
    losses: int = 0
    fence: int = 0
    worker: str | None = None
    lease_until: float | None = Field(default=None, sa_type=Seconds)
    not_before: float = Field(default=0, sa_type=Seconds)
    timeout_s: float | None = Field(default=None, sa_type=Seconds)
    cancel_requested: bool = False
    #: the agent that has to do it, empty for whoever is free; those that may not, as JSON
    agent: str = ""
    avoid: str = "[]"
    #: which agent did it last, empty for a worker of the server
    ran_on: str = ""
    #: who wanted it where that was no person: a plan, an agent, the chat
    asked_by: str = ""
    #: W3C trace context that it was asked for under
    traceparent: str = ""
    #: what it does to the world outside cannot be taken back; when the last try of that began
    effect: bool = False
    effect_started_at: float | None = Field(default=None, sa_type=Seconds)
    #: a waiting job is looked at again by then, whatever it waits for
    wake_at: float | None = Field(default=None, sa_type=Seconds)
    #: what it has cost so far, in the currency of the settings
    cost: float = Field(default=0, sa_type=Seconds)
    progress: float = Field(default=0, sa_type=Seconds)
    message: str = ""
    result: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    created_at: float = Field(sa_type=Seconds)
    started_at: float | None = Field(default=None, sa_type=Seconds)
    ended_at: float | None = Field(default=None, sa_type=Seconds)
    #: when a person put the failed job away, out of the list of what needs a look
    discarded_at: float | None = Field(default=None, sa_type=Seconds)


def job_id_key() -> int:
    """Make the first half of a key below a job; each table needs a column of its own."""
    column: int = Field(sa_column=Column(BigInteger, ForeignKey("job.id"), primary_key=True))
    return column


class Step(SQLModel, table=True):
    """A finished step of a job and its value; what stands here is not done again."""

    __tablename__ = "job_step"
    job_id: int = job_id_key()
    name: str = Field(primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id")
    value: str = Field(sa_type=Text)
    finished_at: float = Field(sa_type=Seconds)
    #: how long it took, None where that was not measured; what it cost
    seconds: float | None = Field(default=None, sa_type=Seconds)
    cost: float = Field(default=0, sa_type=Seconds)


class Question(SQLModel, table=True):
    """Something that a job asked a person, and the answer."""

    __tablename__ = "job_question"
    job_id: int = job_id_key()
    name: str = Field(primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id")
    text: str
    choices: str
    asked_at: float = Field(sa_type=Seconds)
    answer: str | None = None
    answered_at: float | None = Field(default=None, sa_type=Seconds)
    answered_by: int | None = Field(default=None, foreign_key="user_account.id")


class Approval(SQLModel, table=True):
    """A person's answer to whether one job may do what it does to the world, with just these words.

    ``open`` becomes ``approved``, ``denied``, ``expired`` or, with its job, ``withdrawn``; what is
    approved becomes ``used`` in the transaction that starts the job.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index("approval_job", "job_id"),
        Index(
            "approval_open",
            "owner_id",
            "id",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    job_id: int = Field(sa_column=Column(BigInteger, ForeignKey("job.id"), nullable=False))
    capability: str
    #: the exact parameters as canonical JSON, and the SHA-256 of capability and parameters
    params: str = Field(sa_type=Text)
    digest: str
    asked_by: str
    #: why it is asked again, and what the person said who answered
    reason: str = ""
    note: str = ""
    state: str
    asked_at: float = Field(sa_type=Seconds)
    expires_at: float = Field(sa_type=Seconds)
    answered_at: float | None = Field(default=None, sa_type=Seconds)
    answered_by: int | None = Field(default=None, foreign_key="user_account.id")
    used_at: float | None = Field(default=None, sa_type=Seconds)


class ArtifactRow(SQLModel, table=True):
    """A file that a job made; the bytes lie in the store under ``path``."""

    __tablename__ = "artifact"
    job_id: int = job_id_key()
    name: str = Field(primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id")
    path: str
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: str
    media_type: str
    created_at: float = Field(sa_type=Seconds)


class Event(SQLModel, table=True):
    """Something that happened; rows are only ever added, and pruned by age."""

    __tablename__ = "event"
    __table_args__ = (
        Index(
            "event_log",
            "subject",
            "seq",
            sqlite_where=text("topic = 'jobs.log'"),
            postgresql_where=text("topic = 'jobs.log'"),
        ),
        Index(
            "event_state",
            "subject",
            "seq",
            sqlite_where=text("topic = 'jobs.state'"),
            postgresql_where=text("topic = 'jobs.state'"),
        ),
        Index(
            "event_step",
            "subject",
            "seq",
            sqlite_where=text("topic = 'jobs.step'"),
            postgresql_where=text("topic = 'jobs.step'"),
        ),
        Index(
            "event_said",
            "subject",
            "seq",
            sqlite_where=text("topic = 'jobs.said'"),
            postgresql_where=text("topic = 'jobs.said'"),
        ),
    )
    seq: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    time: float = Field(sa_type=Seconds)
    topic: str
    subject: str
    #: no foreign key: checking it for each event would cost a tenth of the journal's speed
    owner_id: int
    payload: str = Field(sa_type=Text)


class SpanRow(SQLModel, table=True):
    """Something inside an attempt at a job that a library measured; all else the journal knows."""

    __tablename__ = "span"
    __table_args__ = (Index("span_job", "job_id"), Index("span_ended", "ended_at"))
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    job_id: int = Field(sa_column=Column(BigInteger, ForeignKey("job.id"), nullable=False))
    owner_id: int = Field(foreign_key="user_account.id")
    #: 16 hexadecimal digits each
    span_id: str = Field(max_length=16)
    parent_id: str = Field(max_length=16)
    kind: str = Field(max_length=20)
    name: str = Field(max_length=200)
    began_at: float = Field(sa_type=Seconds)
    ended_at: float = Field(sa_type=Seconds)
    error: str = Field(sa_type=Text)
    attributes: str = Field(sa_type=Text)


class SpanExport(SQLModel, table=True):
    """Up to which event the jobs that ended have been told to a trace server."""

    __tablename__ = "span_export"
    endpoint: str = Field(primary_key=True, max_length=400)
    seq: int = Field(sa_type=BigInteger)
