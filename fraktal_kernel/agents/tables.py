"""The tables of the agents: who there is, how each fares, what each did, and who asked for what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from fraktal_kernel.core.tables import BigKey, Seconds


class Agent(SQLModel, table=True):
    """Somewhere that does jobs: worker processes on this machine or another."""

    __tablename__ = "agent"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id")
    name: str = Field(max_length=100)
    #: grows with each registration: what an older process of that name still says is refused
    epoch: int = 1
    #: online, draining, offline, or lost: offline without a word
    state: str
    #: patterns, and the names of the capabilities that they stand for there; JSON
    offers: str = Field(sa_type=Text)
    capabilities: str = Field(sa_type=Text)
    slots: int = 1
    #: host, system, cores, memory, graphics cards; JSON
    machine: str = Field(sa_type=Text)
    registered_at: float = Field(sa_type=Seconds)
    last_beat: float = Field(sa_type=Seconds)
    #: how often it registered, how often somebody was refused its name, and how its tasks ended
    connections: int = 0
    refusals: int = 0
    done: int = 0
    failed: int = 0


class AgentSample(SQLModel, table=True):
    """How one agent fared at one time."""

    __tablename__ = "agent_sample"
    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    time: float = Field(sa_type=Seconds, primary_key=True)
    owner_id: int = Field(foreign_key="user_account.id")
    cpu_share: float | None = Field(default=None, sa_type=Seconds)
    memory_bytes: int | None = Field(default=None, sa_type=BigInteger)
    gpu_share: float | None = Field(default=None, sa_type=Seconds)
    busy: int = 0


class AgentTask(SQLModel, table=True):
    """One try of a job on one agent, and how it ended."""

    __tablename__ = "agent_task"
    __table_args__ = (
        Index("agent_task_agent", "agent_id", "id"),
        Index("agent_task_job", "job_id"),
        Index(
            "agent_task_running",
            "agent_id",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
    )
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    agent_id: int = Field(foreign_key="agent.id")
    job_id: int = Field(sa_type=BigInteger)
    capability: str
    state: str
    started_at: float = Field(sa_type=Seconds)
    ended_at: float | None = Field(default=None, sa_type=Seconds)
    error: str | None = Field(default=None, sa_type=Text)


class Audit(SQLModel, table=True):
    """Who asked for what, when, and what came of it; rows are only ever added, pruned by age."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_owner", "owner_id", "id"),)
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    time: float = Field(sa_type=Seconds)
    #: a person's session, a token by its number, or an agent
    who: str
    action: str
    subject: str = ""
    outcome: str = ""
    size_bytes: int = Field(default=0, sa_type=BigInteger)
