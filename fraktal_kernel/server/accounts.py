"""Signing in and out, API tokens, and one-time links, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fraktal_kernel.core.security import Principal, Security, Token
from fraktal_kernel.server.body import StrictRoute
from fraktal_kernel.server.callers import Caller, Number, allowed, errors, require
from fraktal_kernel.server.links import LINK_S, LaunchLinks, session_cookie

router = APIRouter(prefix="/api", tags=["accounts"], route_class=StrictRoute)


def security_of(request: Request) -> Security:
    """Return who knows the users."""
    security: Security = request.app.state.security
    return security


KnownUsers = Annotated[Security, Depends(security_of)]


class SignIn(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "ada", "password": "correct horse battery"}]},
    )

    name: str = Field(max_length=100)
    password: str = Field(max_length=1024)


class Person(BaseModel):
    """Who is signed in, and what they may do."""

    user_id: int
    name: str
    is_admin: bool
    scopes: list[str]


class TokenRequest(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "nightly posters", "scopes": ["read", "jobs:fractal.*"]}]
        },
    )

    name: str = Field(max_length=100, description="What it is for.")
    scopes: list[str] = Field(
        min_length=1,
        max_length=50,
        description="read, jobs, jobs:PATTERN, agent, agent:PATTERN, bus, bus:PATTERN, approve "
        "or admin.",
    )


class TokenView(BaseModel):
    """What may be told of a token after it was made."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(TokenView):
    """A token that was just made; its secret is not shown again."""

    token: str


class TokenList(BaseModel):
    """One's tokens, newest first."""

    tokens: list[TokenView]


class LaunchLink(BaseModel):
    """A link that signs one browser in, once."""

    url: str
    expires_in_s: float


@router.post("/sessions", status_code=201, summary="Sign in", responses=errors(413, 422, 429))
def sign_in(given: SignIn, request: Request, response: Response, security: KnownUsers) -> Person:
    """Sign a browser in by name and password; the session is in an HttpOnly cookie."""
    client = request.client.host if request.client else ""
    user = security.user_by_password(given.name, given.password, client)
    if user is None:
        raise HTTPException(401, "the name or the password is wrong; try again.")
    secret = security.open_session(user.user_id)
    _set_cookie(request, response, secret, security.session_s)
    return _person(user)


@router.delete("/sessions", status_code=204, summary="Sign out", responses=errors())
def sign_out(request: Request, response: Response, security: KnownUsers) -> None:
    """End the browser's session; for a token there is nothing to end."""
    if request.state.session:
        security.close_session(request.state.session)
    _set_cookie(request, response, "", 0)


@router.get("/me", summary="Who am I", responses=errors())
def me(who: Caller) -> Person:
    """Tell who is signed in and what they may do."""
    return _person(who)


@router.get(
    "/tokens",
    summary="List one's tokens",
    responses=errors(),
    dependencies=[Depends(allowed("account"))],
)
def list_tokens(who: Caller, security: KnownUsers) -> TokenList:
    """List names, scopes and times, the revoked ones too; never the secrets."""
    return TokenList(tokens=[_token(token) for token in security.list_tokens(who.user_id)])


@router.post(
    "/tokens",
    status_code=201,
    summary="Make a token",
    responses=errors(413, 422),
    dependencies=[Depends(allowed("account"))],
)
def create_token(given: TokenRequest, who: Caller, security: KnownUsers) -> NewToken:
    """Make a token for a program; the answer is the only place where its secret stands."""
    secret = security.create_token(who.user_id, given.name, given.scopes)
    return NewToken(token=secret, **_token(security.token(secret)).model_dump())


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    summary="Revoke a token",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("account"))],
)
def revoke_token(token_id: Number, who: Caller, security: KnownUsers) -> None:
    """End one of one's own tokens for good."""
    security.revoke_token(token_id, who.user_id)


@router.post("/launch-links", status_code=201, summary="Make a one-time link", responses=errors())
def make_link(who: Caller, request: Request) -> LaunchLink:
    """Make a link that signs one browser in as the user who started the server."""
    require(who, "admin")
    links: LaunchLinks = request.app.state.links
    base = f"{request.url.scheme}://{request.headers['host']}"
    return LaunchLink(url=f"{base}/?token={links.add()}", expires_in_s=LINK_S)


def _set_cookie(request: Request, response: Response, secret: str, lasts_s: float) -> None:
    secure = request.url.scheme == "https"
    cookie = session_cookie(request.headers["host"], secret, lasts_s, secure)
    response.headers["set-cookie"] = cookie


def _person(who: Principal) -> Person:
    return Person(
        user_id=who.user_id, name=who.name, is_admin=who.is_admin, scopes=sorted(who.scopes)
    )


def _token(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        scopes=list(token.scopes),
        created_at=datetime.fromtimestamp(token.created_at, UTC),
        last_used_at=_time(token.last_used_at),
        revoked_at=_time(token.revoked_at),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
