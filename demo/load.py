"""Users of Synaptic: requests through NGINX in the rhythm of :mod:`demo.rhythm`, until SIGTERM.

Run ``python -m demo.load [--factor 2]``. Where a request is to fail, it fails for a reason: a wrong password,
a text that PostgreSQL cannot store, a search with a mistake in its syntax. It survives a service that is down.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from demo import rhythm
from demo.plan import HOST, Plan
from demo.synaptic.auth import password_of
from demo.synaptic.config import secret
from demo.warm import warm

# Requests under way at once; what would come on top is dropped and counted, as users give up.
IN_FLIGHT = 48
KNOWN_MEMORIES = 2_000
# The smaller, the more often the same memories are read: index = size * random ** POPULARITY.
POPULARITY = 8
GUEST_SHARE = 0.05
GUESTS = 20
# How often a guest tries what guests may not.
GUEST_WRITES = 0.02
BACKUP_INTERVAL = 6 * 3600.0
REPORT_SECONDS = 60.0


@dataclass(frozen=True)
class Session:
    """A signed-in user.

    Attributes:
        user_id: Who.
        address: From where, as the balancer passes it on.
        session_id: The bearer.
    """

    user_id: str
    address: str
    session_id: str

    @property
    def headers(self) -> dict[str, str]:
        """What each of the user's requests carries."""
        return {"Authorization": f"Bearer {self.session_id}", "X-Forwarded-For": self.address}


def a_user() -> tuple[str, str]:
    """A user at random: id and address."""
    if random.random() < GUEST_SHARE:
        number = random.randrange(GUESTS)
        return f"guest-{number:02d}", f"10.30.0.{number + 1}"
    number = random.randrange(rhythm.USERS)
    return f"user-{number:03d}", f"10.20.{number // 250}.{number % 250 + 1}"


def a_text() -> str:
    """A text of a size as users write them: mostly a few hundred bytes, at times some thousand."""
    words = random.choices(rhythm.SEARCH_WORDS, k=3)
    sentence = f"Notes on {words[0]} and {words[1]}, written down because of the {words[2]}."
    return " ".join([sentence] * min(80, max(1, int(random.lognormvariate(1.2, 0.9)))))


class Load:
    """The users of one installation.

    Args:
        plan: Where NGINX is.
        factor: Multiplies all rates.
        port: Where requests go, where not to NGINX.
    """

    def __init__(self, plan: Plan, factor: float = 1.0, port: int | None = None) -> None:
        self._jwt_secret = secret(plan, "JWT_SECRET", "jwt-secret")
        self._admin_token = secret(plan, "SYNAPTIC_ADMIN_TOKEN", "admin-token")
        self._backup_stamp: Path = plan.run / "last-backup"
        self._plan = plan
        self._factor = factor
        self._client = httpx.AsyncClient(
            base_url=f"http://{HOST}:{port or plan.nginx_port}",
            timeout=35.0,
            limits=httpx.Limits(max_connections=IN_FLIGHT + 8, max_keepalive_connections=16),
        )
        self._sessions: deque[Session] = deque(maxlen=1_000)
        self._memories: list[tuple[str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers: Counter[str] = Counter()
        self._operations: dict[str, Callable[[bool], Awaitable[object]]] = {
            "read": self._read,
            "store": self._store,
            "update": self._update,
            "delete": self._delete,
            "similar": self._similar,
            "export": self._export,
            "login": self._login,
            "logout": self._logout,
        }

    async def perform(self, name: str) -> None:
        """One operation, now, to its end."""
        await self._one(name, False)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def run(self, stop: asyncio.Event) -> None:
        """Send requests until stopped, then wait for those under way."""
        await self._warm_up()
        side_work = [asyncio.create_task(one(stop)) for one in (self._report, self._upkeep)]
        while not stop.is_set():
            now = time.time()
            rates = {name: float(rate) * self._factor for name, rate in rhythm.rates(now).items()}
            # New rates each second or so: the rhythm is slower than that.
            until = time.monotonic() + 1.0
            while time.monotonic() < until and not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), random.expovariate(sum(rates.values())))
                (name,) = random.choices(list(rates), list(rates.values()))
                self._begin(name, now)
        for task in side_work:
            task.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*side_work, *self._tasks, return_exceptions=True)
        await self.close()

    def _begin(self, name: str, now: float) -> None:
        if len(self._tasks) >= IN_FLIGHT:
            self.answers["dropped"] += 1
            return
        to_fail = random.random() < float(rhythm.error_share(now, name))
        task = asyncio.create_task(self._one(name, to_fail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, name: str, to_fail: bool) -> None:
        operation = self._operations.get(name)
        try:
            await (operation(to_fail) if operation is not None else self._search(name, to_fail))
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1

    async def _send(self, method: str, path: str, session: Session | None, **more: Any) -> httpx.Response:
        headers = session.headers if session is not None else more.pop("headers", {})
        response = await self._client.request(method, path, headers=headers, **more)
        self.answers[str(response.status_code)] += 1
        if response.status_code == 401 and session is not None and session in self._sessions:
            self._sessions.remove(session)
            await self._sign_in(session.user_id, session.address)
        return response

    async def _session(self, *, writes: bool = False) -> Session | None:
        """A session at random, for writing hardly ever a guest's; a new one when there is none."""
        usable = [
            one
            for one in self._sessions
            if not (writes and one.user_id.startswith("guest-")) or random.random() < GUEST_WRITES
        ]
        if usable:
            return random.choice(usable)
        return await self._login(False)

    async def _login(self, to_fail: bool) -> Session | None:
        return await self._sign_in(*a_user(), "correct horse" if to_fail else None)

    async def _sign_in(self, user_id: str, address: str, password: str | None = None) -> Session | None:
        response = await self._send(
            "POST",
            "/auth/login",
            None,
            headers={"X-Forwarded-For": address},
            json={"user_id": user_id, "password": password or password_of(self._jwt_secret, user_id)},
        )
        if response.status_code != 200:
            return None
        session = Session(user_id, address, response.json()["session_id"])
        self._sessions.append(session)
        return session

    async def _logout(self, to_fail: bool) -> None:
        # As many sessions as the rhythm says: users stay when there are too few.
        if len(self._sessions) > float(rhythm.active_sessions(time.time())) * self._factor:
            await self._send("POST", "/auth/logout", self._sessions.popleft())

    def _a_memory(self) -> tuple[str, str] | None:
        if not self._memories:
            return None
        return self._memories[int(len(self._memories) * random.random() ** POPULARITY)]

    def _remember(self, memory_type: str, memory_id: str) -> None:
        if len(self._memories) < KNOWN_MEMORIES:
            self._memories.append((memory_type, memory_id))
        else:
            self._memories[random.randrange(KNOWN_MEMORIES // 4, KNOWN_MEMORIES)] = (memory_type, memory_id)

    async def _on_memory(self, method: str, to_fail: bool, **more: Any) -> None:
        memory, session = self._a_memory(), await self._session(writes=method != "GET")
        if memory is None or session is None:
            return
        memory_type, memory_id = memory
        # Not an id: the database refuses it.
        path = f"/memories/{memory_type}/{'latest' if to_fail else memory_id}"
        response = await self._send(method, path, session, **more)
        gone = response.status_code == 404 or (method == "DELETE" and response.status_code == 200)
        if gone and memory in self._memories:
            self._memories.remove(memory)

    async def _read(self, to_fail: bool) -> None:
        await self._on_memory("GET", to_fail)

    async def _update(self, to_fail: bool) -> None:
        await self._on_memory("PATCH", to_fail, json={"content": random.choice(rhythm.SEARCH_WORDS)})

    async def _delete(self, to_fail: bool) -> None:
        await self._on_memory("DELETE", to_fail)

    async def _store(self, to_fail: bool) -> None:
        session = await self._session(writes=True)
        if session is None:
            return
        shares = rhythm.MEMORY_TYPE_SHARES
        (memory_type,) = random.choices(list(shares), list(shares.values()))
        # PostgreSQL stores no NUL character.
        content = a_text() + ("\x00" if to_fail else "")
        importance = round(random.betavariate(2, 3), 3)
        response = await self._send(
            "POST", f"/memories/{memory_type}", session, json={"content": content, "importance": importance}
        )
        if response.status_code == 201:
            self._remember(memory_type, response.json()["id"])

    async def _search(self, name: str, to_fail: bool) -> None:
        session = await self._session()
        if session is None:
            return
        words = random.sample(rhythm.SEARCH_WORDS, k=1 if name == "full_text" else 2)
        query = " & ".join(words)
        if to_fail:
            # An operator without its second operand; where words are no expression, a NUL character.
            query = f"{query} &" if name in ("full_text", "ranked") else f"{query}\x00"
        small = name == "fuzzy" or (name != "recent" and random.random() < rhythm.SMALL_PAGE_SHARE)
        parameters = {"type": name, "q": query, "limit": "10" if small else "50"}
        if name == "recent":
            parameters["memory_type"] = random.choice(rhythm.MEMORY_TYPES) + ("\x00" if to_fail else "")
        response = await self._send("GET", "/search", session, params=parameters)
        if response.status_code == 200 and len(self._memories) < KNOWN_MEMORIES:
            for memory in response.json()["results"]:
                self._remember(memory["memory_type"], memory["id"])

    async def _similar(self, to_fail: bool) -> None:
        session = await self._session()
        if session is not None:
            await self._send("GET", "/similar", session, params={"q": a_text()})

    async def _export(self, to_fail: bool) -> None:
        session = await self._session(writes=True)
        if session is not None:
            await self._send("GET", "/export", session)

    async def _warm_up(self) -> None:
        """At the start: as many sessions as there should be, and the cache as an hour of use leaves it."""
        users = [a_user() for _ in range(int(float(rhythm.active_sessions(time.time())) * self._factor))]
        addresses = dict(users)
        try:
            there = await asyncio.to_thread(warm, self._plan, [user for user, _ in users], KNOWN_MEMORIES, POPULARITY)
        except (psycopg.Error, redis.RedisError) as error:
            print(f"starts with a cold cache: {error}", flush=True)
            return
        # The most read memories are replaced last: they are known first.
        self._memories = list(there.memories)
        for session_id, user_id in there.sessions:
            self._sessions.append(Session(user_id, addresses.get(user_id, "10.20.0.1"), session_id))

    async def _upkeep(self, stop: asyncio.Event) -> None:
        """The schedule that the guide's cron job has: a backup every six hours."""
        while not stop.is_set():
            try:
                age = time.time() - self._backup_stamp.stat().st_mtime
            except FileNotFoundError:
                age = BACKUP_INTERVAL
            if age >= BACKUP_INTERVAL:
                with suppress(httpx.HTTPError):
                    await self._backup()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 30.0)

    async def _backup(self) -> None:
        path = time.strftime("/backup/memories_%Y%m%d_%H%M%S.json", time.gmtime())
        size = 0
        async with self._client.stream(
            "POST", "/admin/backup", headers={"Authorization": f"Bearer {self._admin_token}"}, json={"path": path}
        ) as response:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
        print(f"backup: {response.status_code}, {size} bytes", flush=True)
        if response.status_code == 200:
            self._backup_stamp.touch()

    async def _report(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            before = self.answers.copy()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), REPORT_SECONDS)
            counted = ", ".join(f"{name} {number}" for name, number in sorted((self.answers - before).items()))
            print(f"{len(self._sessions)} sessions; answers: {counted or 'none'}", flush=True)


async def _main(factor: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Load(Plan.from_environment(), factor).run(stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__)
    parser.add_argument("--factor", type=float, default=1.0, help="multiply all rates (default: 1)")
    asyncio.run(_main(parser.parse_args().factor))
