"""Somebody tries passwords."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx

from demo.plan import HOST, Plan

NAME = "login-brute-force"
SUMMARY = "One address tries passwords of 40 users, six a second, through NGINX."
MOVES = {
    "synaptic_authentication_attempts_total{status=failure}": "up",
    "synaptic_security_violations_total{violation_type=brute_force}": "up: a lock-out for each user",
    "fields.operation": "login_failure and account_locked up, target synaptic::security::audit",
}
HEALS = "The attempts end; locked users are let in again 15 minutes after the last one."

ADDRESS = "203.0.113.66"
TARGETS = tuple(f"user-{number:03d}" for number in range(440, 480))
ATTEMPTS_A_SECOND = 6.0
# One user is tried until locked out, then some more, then comes the next.
ATTEMPTS_A_USER = 6
THREADS = 4


def inject(plan: Plan) -> None:
    """Try until one user is locked out."""
    with _client(plan) as client:
        for number in range(ATTEMPTS_A_USER):
            _attempt(client, TARGETS[0], number)


def heal(plan: Plan) -> None:
    """Nothing is to undo: what was locked opens by itself."""


def run(plan: Plan, stop: Event) -> None:
    """Try passwords until told to stop."""
    with _client(plan) as client, ThreadPoolExecutor(THREADS) as threads:
        for number in itertools.count():
            user_id = TARGETS[number // ATTEMPTS_A_USER % len(TARGETS)]
            threads.submit(_attempt, client, user_id, number)
            if stop.wait(1.0 / ATTEMPTS_A_SECOND):
                threads.shutdown(cancel_futures=True)
                return


def _client(plan: Plan) -> httpx.Client:
    return httpx.Client(base_url=f"http://{HOST}:{plan.nginx_port}", headers={"X-Forwarded-For": ADDRESS}, timeout=10.0)


def _attempt(client: httpx.Client, user_id: str, number: int) -> None:
    try:
        client.post("/auth/login", json={"user_id": user_id, "password": f"password{number}"})
    except httpx.HTTPError as error:
        print(f"{NAME}: {type(error).__name__}: {error}", flush=True)
