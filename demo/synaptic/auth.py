"""Who may do what: users with sessions and a lock-out, administrators with a bearer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.synaptic.audit import Event
from demo.synaptic.service import Operation, Refused, Service, handle
from demo.synaptic.spans import Span

# Rounds of the password hash: some 10 ms, so that guessing costs something.
HASH_ROUNDS = 20_000
# Refusals of one user within an hour after which they count as a violation (the guide's threshold).
REFUSALS_AN_HOUR = 5


def password_of(jwt_secret: str, user_id: str) -> str:
    """The password that was issued to a user: derived from the secret, so that no table of users is needed."""
    return hmac.new(jwt_secret.encode(), f"password of {user_id}".encode(), hashlib.sha256).hexdigest()[:20]


def _hashed(password: str, user_id: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(errors="replace"), user_id.encode(), HASH_ROUNDS)


def _password_fits(jwt_secret: str, user_id: str, password: str) -> bool:
    return hmac.compare_digest(_hashed(password_of(jwt_secret, user_id), user_id), _hashed(password, user_id))


def client_address(request: Request) -> str | None:
    """The client's address as the balancer passes it on, else that of the connection."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    candidate = forwarded or (request.client.host if request.client else "")
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return None


async def login(service: Service, request: Request) -> Response:
    """``POST /auth/login`` ``{"user_id", "password"}``: a session, or 401; 423 while locked out."""

    async def body(span: Span) -> Response:
        given = await read_json(request)
        user_id, password = str(given.get("user_id", ""))[:200], str(given.get("password", ""))[:200]
        span.tags["user_id"] = user_id
        address = client_address(request)
        failures = await service.cache.number(f"failures:{user_id}")
        if failures >= service.settings.max_failed_attempts:
            _login_failed(service, user_id, address, locked=True)
            raise Refused(423, "locked out after too many failed attempts")
        fits = await asyncio.to_thread(_password_fits, service.settings.jwt_secret, user_id, password)
        if not fits:
            failures = await service.cache.count_up(f"failures:{user_id}", service.settings.lockout_seconds)
            _login_failed(service, user_id, address, locked=False)
            if failures == service.settings.max_failed_attempts:
                service.metrics.count("synaptic_security_violations_total", "brute_force", "high", "authentication")
                locked = Event("Authentication", "account_locked", user_id, "session", False, address, "High")
                service.audit.note(locked)
            raise Refused(401, "wrong user or password")
        await service.cache.forget(f"failures:{user_id}")
        session_id = await service.cache.begin_session(user_id)
        span.tags["session_id"] = session_id[:8]
        service.metrics.count("synaptic_authentication_attempts_total", "password", "success", "user")
        service.audit.note(Event("Authentication", "login_success", user_id, "session", True, address))
        return JSONResponse({"session_id": session_id, "expires_in": service.settings.session_timeout})

    return await handle(service, request, Operation("login", "security", "security"), body)


def _login_failed(service: Service, user_id: str, address: str | None, *, locked: bool) -> None:
    service.metrics.count("synaptic_authentication_attempts_total", "password", "failure", "user")
    details = {"locked": True} if locked else {}
    service.audit.note(Event("Authentication", "login_failure", user_id, "session", False, address, "Medium", details))


async def logout(service: Service, request: Request) -> Response:
    """``POST /auth/logout``: ends the session of the bearer."""

    async def body(span: Span) -> Response:
        await service.cache.end_session(_bearer(request))
        return JSONResponse({"status": "signed out"})

    return await handle(service, request, Operation("logout", "security", "security"), body)


async def user_of(service: Service, request: Request, span: Span, action: str) -> str:
    """The signed-in user of a request, who may do this.

    Guests (``guest-...``) may read; everybody else may read, write and export.

    Args:
        service: The replica.
        request: Carries ``Authorization: Bearer <session>``.
        span: Gets the user's id.
        action: ``read``, ``write`` or ``export``.

    Raises:
        Refused: 401 without a living session, 403 without the right.
        RedisError: Sessions cannot be looked up.
    """
    session_id = _bearer(request)
    user_id = await service.cache.user_of(session_id) if session_id else None
    if user_id is None:
        raise Refused(401, "not signed in")
    span.tags["user_id"] = user_id
    span.tags["session_id"] = session_id[:8]
    granted = action == "read" or not user_id.startswith("guest-")
    status = "granted" if granted else "denied"
    service.metrics.count("synaptic_authorization_checks_total", "memory", action, status)
    if not granted:
        await _refused(service, user_id, f"memory:{action}", client_address(request))
        raise Refused(403, f"{user_id} may not {action}")
    return user_id


async def _refused(service: Service, user_id: str, resource: str, address: str | None) -> None:
    service.audit.note(Event("AccessControl", "permission_denied", user_id, resource, False, address, "Medium"))
    if await service.cache.count_up(f"refusals:{user_id}", 3600) == REFUSALS_AN_HOUR:
        service.metrics.count("synaptic_security_violations_total", "unauthorized_access", "medium", "api")


def check_admin(service: Service, request: Request) -> None:
    """Let administrators pass: the configured token, or a short-lived HS256 token signed with the secret.

    Raises:
        Refused: 401, neither was shown.
    """
    shown = _bearer(request)
    method = "jwt" if shown.count(".") == 2 else "token"
    if method == "jwt":
        fits = _valid_jwt(service.settings.jwt_secret, shown)
    else:
        fits = hmac.compare_digest(shown.encode(), service.settings.admin_token.encode())
    service.metrics.count("synaptic_authentication_attempts_total", method, "success" if fits else "failure", "admin")
    service.metrics.count("synaptic_authorization_checks_total", "admin", "execute", "granted" if fits else "denied")
    resource, address = request.url.path, client_address(request)
    if not fits:
        service.audit.note(Event("AccessControl", "permission_denied", None, resource, False, address, "High"))
        raise Refused(401, "an administrator's bearer is needed")
    service.audit.note(Event("AccessControl", "permission_granted", "administrator", resource, True, address))


def _valid_jwt(jwt_secret: str, token: str) -> bool:
    """Whether a token is signed with HS256 and has not expired; one without ``exp`` is refused."""
    signed, _, signature = token.rpartition(".")
    expected = hmac.new(jwt_secret.encode(), signed.encode(), hashlib.sha256).digest()
    try:
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        if not hmac.compare_digest(_decoded(signature), expected):
            return False
        # The algorithm is ours to choose, not the token's.
        return bool(header.get("alg") == "HS256" and float(claims["exp"]) > time.time())
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _bearer(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


async def read_json(request: Request) -> dict[str, object]:
    """The body as a JSON object; an empty body is an empty object.

    Raises:
        Refused: 400, it is something else.
    """
    raw = await request.body()
    try:
        given = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise Refused(400, "the body is not a JSON object")
    return given
