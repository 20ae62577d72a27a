"""The console itself, and the settings file that points it at this installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from demo.parts.monitoring import SYNAPTIC_INTERVAL
from demo.parts.postgres import CONSOLE_ROLE, PLANS_ROLE
from demo.parts.programs import answers
from demo.plan import HOST, ROOT, Plan
from demo.supervisor_part import Part


def part(plan: Plan) -> Part:
    """The console; it needs nothing else to start, and shows what is not there yet as not there."""
    settings = settings_file(plan)

    def prepare() -> None:
        settings.write_text(settings_text(plan))

    return Part(
        name="console",
        command=(
            sys.executable,
            "-m",
            "streamlit",
            "run",
            str(ROOT / "app.py"),
            f"--server.port={plan.console_port}",
            f"--server.address={HOST}",
            "--server.headless=true",
        ),
        environment={"SYNAPTIC_CONSOLE_CONFIG": str(settings)},
        ports=(plan.console_port,),
        prepare=prepare,
        ready=answers(plan.console_port, "/healthz"),
        # Its first start compiles what it imports, while everything else starts as well.
        ready_seconds=120.0,
    )


def settings_file(plan: Plan) -> Path:
    """Where the demo's own ``console.toml`` is."""
    return plan.home / "console.toml"


def settings_text(plan: Plan) -> str:
    """The console's settings for this installation, as an operator would write them for theirs."""
    replicas = "\n".join(
        f'    {{name = "{replica.pod}", url = "http://{HOST}:{replica.http_port}"}},' for replica in plan.replicas
    )
    return f"""\
[server]
mode = "none"  # no sign-in, loopback only
public_url = "http://{HOST}:{plan.console_port}"
local_roles = ["operator"]  # whoever sits at this machine may see who did what

[records]
url = "sqlite:///{plan.home}/console.sqlite3"

[limits]
deadline = "15s"

[environments.{plan.environment}]
title = "{plan.environment.capitalize()}"

[environments.{plan.environment}.synaptic]
url = "http://{HOST}:{plan.nginx_port}"
replicas = [
{replicas}
]
admin_token = "${{SYNAPTIC_ADMIN_TOKEN}}"

[environments.{plan.environment}.prometheus]
url = "http://{HOST}:{plan.prometheus_port}"
job = "synaptic"
replica_label = "pod"
scrape_interval = "{SYNAPTIC_INTERVAL}"

[environments.{plan.environment}.alertmanager]
url = "http://{HOST}:{plan.alertmanager_port}"

[environments.{plan.environment}.elasticsearch]
url = "http://{HOST}:{plan.elasticsearch_port}"
index = "{plan.index_prefix}-*"
daily = true
deadline = "15s"  # the store of the demo reads every line of an index for each question

[environments.{plan.environment}.postgres]
host = "{HOST}"
port = {plan.postgres_port}
database = "{plan.database}"
user = "{CONSOLE_ROLE}"
plan_roles = ["{plan.database_user}"]
plan_user = "{PLANS_ROLE}"
cpus = {os.cpu_count() or 1}

[environments.{plan.environment}.redis]
host = "{HOST}"
port = {plan.valkey_port}
"""
