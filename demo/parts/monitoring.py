"""Prometheus, Alertmanager and the exporters from Debian's packages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from demo.config import SLO_RULES, rules
from demo.parts.postgres import EXPORTER_ROLE
from demo.parts.programs import answers, debian, module
from demo.plan import HOST, ROOT, Plan
from demo.supervisor_part import Part

# The guide scrapes Synaptic every 5 s under a global interval of 15 s.
SYNAPTIC_INTERVAL = "5s"
GLOBAL_INTERVAL = "15s"
# Longer than the 30 days that are filled in, so that a demo that is used for weeks keeps its history.
RETENTION = "60d"
ALERTMANAGER_TEMPLATE = ROOT / "demo/config/alertmanager.yml"

# What an SRE looks at; the others cost cardinality and, as an ordinary user, error lines.
NODE_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat", "time", "uname", "vmstat")

BLACKBOX_CONFIGURATION = """\
modules:
  http_2xx:
    prober: http
    timeout: 5s
    http:
      preferred_ip_protocol: ip4
"""


def parts(plan: Plan) -> tuple[Part, ...]:
    """Prometheus behind the task that fills in its history, Alertmanager, four exporters."""
    return (*_exporters(plan), _alertmanager(plan), *_prometheus(plan))


def _prometheus(plan: Plan) -> tuple[Part, Part]:
    folder = plan.home / "prometheus"
    configuration = folder / "prometheus.yml"

    def prepare() -> None:
        _write(folder / "synaptic.rules.yml", rules())
        _write(folder / "slo.rules.yml", SLO_RULES.read_text(encoding="utf-8"))
        _write(configuration, prometheus_configuration(plan))

    return (
        Part(
            name="metrics-history",
            command=module("demo.history", "metrics"),
            depends_on=("latencies",),
            task=True,
            ready_seconds=240.0,
        ),
        Part(
            name="prometheus",
            command=(
                debian("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--storage.tsdb.retention.time={RETENTION}",
                f"--web.listen-address={HOST}:{plan.prometheus_port}",
                "--log.level=warn",
            ),
            # Blocks that appear under a running server could overlap what it writes itself.
            depends_on=("metrics-history",),
            ports=(plan.prometheus_port,),
            prepare=prepare,
            ready=answers(plan.prometheus_port, "/-/ready"),
            stop_seconds=30.0,
        ),
    )


def prometheus_configuration(plan: Plan) -> str:
    """The text of ``prometheus.yml``: who is scraped, how often, with which labels."""
    replicas = "\n".join(
        f"      - targets: ['{HOST}:{replica.metrics_port}']\n        labels: {{pod: {replica.pod}}}"
        for replica in plan.replicas
    )
    jobs = "\n".join(
        f"  - job_name: {job}\n    static_configs:\n      - targets: ['{HOST}:{port}']"
        for job, port in (
            ("postgres", plan.postgres_exporter_port),
            ("redis", plan.redis_exporter_port),
            ("nginx", plan.nginx_exporter_port),
            ("node", plan.node_exporter_port),
            ("alertmanager", plan.alertmanager_port),
            ("prometheus", plan.prometheus_port),
        )
    )
    return f"""\
global:
  scrape_interval: {GLOBAL_INTERVAL}
  evaluation_interval: {SYNAPTIC_INTERVAL}

rule_files:
  - synaptic.rules.yml
  - slo.rules.yml

alerting:
  alertmanagers:
    - static_configs:
        - targets: ['{HOST}:{plan.alertmanager_port}']

scrape_configs:
  - job_name: synaptic
    scrape_interval: {SYNAPTIC_INTERVAL}
    static_configs:
{replicas}
{jobs}
  - job_name: blackbox
    metrics_path: /probe
    params:
      module: [http_2xx]
    static_configs:
      - targets: ['http://{HOST}:{plan.nginx_port}/health']
    relabel_configs:
      - source_labels: [__address__]
        target_label: __param_target
      - source_labels: [__param_target]
        target_label: instance
      - target_label: __address__
        replacement: '{HOST}:{plan.blackbox_exporter_port}'
"""


def _alertmanager(plan: Plan) -> Part:
    folder = plan.home / "alertmanager"
    configuration = folder / "alertmanager.yml"
    return Part(
        name="alertmanager",
        command=(
            debian("prometheus-alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={folder}",
            f"--web.listen-address={HOST}:{plan.alertmanager_port}",
            # Alone: no gossip port.
            "--cluster.listen-address=",
            "--log.level=warn",
        ),
        ports=(plan.alertmanager_port,),
        prepare=partial(_write_alertmanager, plan, configuration),
        ready=answers(plan.alertmanager_port, "/-/ready"),
    )


def _exporters(plan: Plan) -> tuple[Part, ...]:
    blackbox = plan.home / "blackbox" / "blackbox.yml"
    # Its dashboards' database statistics come from pg_monitor's views; see EXPORTER_ROLE.
    source = f"postgresql://{EXPORTER_ROLE}@{HOST}:{plan.postgres_port}/{plan.database}?sslmode=disable"
    return (
        Part(
            name="node-exporter",
            command=(
                debian("prometheus-node-exporter"),
                f"--web.listen-address={HOST}:{plan.node_exporter_port}",
                "--collector.disable-defaults",
                *(f"--collector.{name}" for name in NODE_COLLECTORS),
                "--log.level=warn",
            ),
            ports=(plan.node_exporter_port,),
            ready=answers(plan.node_exporter_port, "/metrics"),
        ),
        Part(
            name="postgres-exporter",
            command=(
                debian("prometheus-postgres-exporter"),
                f"--web.listen-address={HOST}:{plan.postgres_exporter_port}",
                # Its query asks for columns that PostgreSQL 17 moved to another view.
                "--no-collector.bgwriter",
                "--log.level=warn",
            ),
            environment={"DATA_SOURCE_NAME": source},
            depends_on=("postgres",),
            ports=(plan.postgres_exporter_port,),
            ready=answers(plan.postgres_exporter_port, "/metrics"),
        ),
        Part(
            name="redis-exporter",
            command=(
                debian("prometheus-redis-exporter"),
                f"-web.listen-address={HOST}:{plan.redis_exporter_port}",
                f"-redis.addr=redis://{HOST}:{plan.valkey_port}",
            ),
            depends_on=("valkey",),
            ports=(plan.redis_exporter_port,),
            ready=answers(plan.redis_exporter_port, "/metrics"),
        ),
        Part(
            name="blackbox-exporter",
            command=(
                debian("prometheus-blackbox-exporter"),
                f"--config.file={blackbox}",
                f"--web.listen-address={HOST}:{plan.blackbox_exporter_port}",
                "--log.level=warn",
            ),
            ports=(plan.blackbox_exporter_port,),
            prepare=partial(_write, blackbox, BLACKBOX_CONFIGURATION),
            ready=answers(plan.blackbox_exporter_port, "/metrics"),
        ),
    )


def _write_alertmanager(plan: Plan, path: Path) -> None:
    template = ALERTMANAGER_TEMPLATE.read_text()
    _write(path, template)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
