"""What is shipped to run the console elsewhere: the image's recipe, the compose file, and the files it mounts.

There is no container engine here: recipes are checked by their own linters, and the programs that exist as Debian
packages (NGINX, Prometheus, Alertmanager, PostgreSQL) read their configuration for real.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import yaml
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import settings
from demo.plan import Plan
from demo.shipper.documents import template
from demo.synaptic import config as reference
from tests.records.conftest import postgresql as postgresql
from tests.web.serving import free_port, serving

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"


def program(name: str) -> str:
    found = shutil.which(
        name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(Path(sys.executable).parent)])
    )
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str, **more) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **more)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    """The services as Compose itself reads the file, those of all profiles."""
    text = run(program("docker-compose"), "-f", str(COMPOSE), "--profile", "load", "config", cwd=ROOT)
    return yaml.safe_load(text)["services"]


# The image


def test_the_recipe_of_the_image_has_no_finding():
    assert run(program("hadolint"), str(ROOT / "Dockerfile")) == ""


def test_the_image_takes_what_the_house_is_made_of_and_nothing_else():
    recipe = (ROOT / "Dockerfile").read_text()
    console = recipe.split("AS console", 1)[1]
    copied = {word.rstrip("/") for line in re.findall(r"^COPY (?!--)(.+) \S+$", console, re.M) for word in line.split()}
    rooms = {file.parent.name for file in ROOT.glob("*/*.py")} - {"tests", "scripts", "benchmarks", "demo"}
    assert copied == rooms | {file.name for file in ROOT.glob("*.py")} | {"pyproject.toml", ".streamlit"}
    assert all((ROOT / name).exists() for name in copied)
    # The build is given these alone.
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= {entry.removesuffix("/config.toml") for entry in allowed}


def test_the_image_installs_hashed_packages_and_runs_without_root_or_a_shell():
    recipe = (ROOT / "Dockerfile").read_text()
    assert all("--require-hashes" in line for line in recipe.splitlines() if '"install"' in line)
    assert re.findall(r"^USER (.+)$", recipe, re.M) == ["10001:10001", "10001:10001"]
    for kind in ("ENTRYPOINT", "CMD"):
        assert all(json.loads(words) for words in re.findall(rf"^{kind} (.+)$", recipe, re.M))
    assert len(re.findall(r"^HEALTHCHECK ", recipe, re.M)) == 2
    assert set(re.findall(r"^FROM (\S+)", recipe, re.M)) == {"python:3.11.13-slim-bookworm", "packages", "base"}


# The compose file


def test_every_image_is_pinned_to_a_version(services):
    for name, service in services.items():
        assert re.fullmatch(r"[a-z0-9_./-]+:v?\d+\.\d+\.?\d*[a-z0-9.-]*", service["image"]), name


def test_every_service_has_a_health_check_or_says_why_not(services):
    for name, service in services.items():
        checked = service.get("healthcheck", {}).get("test", ["NONE"]) != ["NONE"]
        assert checked or service.get("x-no-healthcheck"), name


def test_only_the_console_and_nginx_are_published_and_only_on_loopback(services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"console", "nginx"}
    for ports in published.values():
        assert [str(port).startswith("127.0.0.1:") for port in ports] == [True]
    reachable = {name for name, service in services.items() if "front" in (service.get("networks") or {})}
    assert reachable == set(published)


def test_every_service_is_bounded_and_unprivileged(services):
    ours = {"synaptic-console:0.1.0", "synaptic-reference:0.1.0"}  # their images say who they run as
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["pids_limit"], name
        assert "privileged" not in service, name
        if service["image"] not in ours:
            root = service["user"].startswith("0:")
            assert root == (name == "filebeat"), name
            assert service.get("cap_add", []) == (["DAC_READ_SEARCH"] if root else []), name


def test_no_secret_is_written_in_the_compose_file(services):
    for name, service in services.items():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"password|token|secret|key", key, re.I):
                assert str(value).startswith("/secrets/"), f"{name}: {key}"
            assert not urlsplit(str(value)).password, f"{name}: {key}"


def test_every_mounted_file_exists(services):
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = Path(str(mount).split(":")[0])
            if source.is_relative_to(ROOT):
                assert source.is_file(), f"{name}: {source}"


# The files it mounts


@pytest.mark.integration
def test_postgresql_is_given_the_roles_that_services_sign_in_with(postgresql, services, tmp_path):
    run(sys.executable, str(DEPLOY / "compose/make_secrets.py"), str(tmp_path))
    script = (DEPLOY / "postgres/roles.sh").read_text().replace("/secrets/", f"{tmp_path}/")
    server = {"POSTGRES_USER": "postgres", "PGHOST": "127.0.0.1", "PGPORT": str(postgresql.port)}
    run("bash", "-c", script, env={**os.environ, **server})
    told = psycopg.conninfo.conninfo_to_dict(services["synaptic-0"]["environment"]["DEMO_DATABASE_URL"])
    with psycopg.connect(**{**told, "host": "127.0.0.1", "port": postgresql.port}) as connection:
        connection.execute("CREATE TABLE mine (id integer)")
        extensions = connection.execute("SELECT extname FROM pg_extension").fetchall()
        assert {("pg_stat_statements",), ("pgstattuple",)} <= set(extensions)
        ordinary = "SELECT count(*) FROM pg_roles WHERE rolname IN ('synaptic', 'postgres_exporter') AND NOT rolsuper"
        assert connection.execute(ordinary).fetchone() == (2,)
        connection.commit()
    password = (tmp_path / "console-password").read_text()
    told |= {"host": "127.0.0.1", "port": postgresql.port, "user": "console", "password": password}
    with psycopg.connect(**told) as connection:
        assert connection.execute("SELECT table_len FROM pgstattuple_approx('mine')").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM mine")
    told |= {"user": "console_plans", "password": (tmp_path / "console-plans-password").read_text()}
    with psycopg.connect(**told) as connection:
        # Tables that are made afterwards as well: plans need it.
        assert connection.execute("EXPLAIN SELECT * FROM mine").fetchall()
        seen = "SELECT pg_has_role('pg_monitor', 'USAGE') OR pg_has_role('pg_read_all_stats', 'USAGE')"
        assert connection.execute(seen).fetchone() == (False,)


def test_the_console_accepts_its_settings_and_they_name_what_runs(services, tmp_path):
    (tmp_path / "admin-token").write_text("the-token")
    (tmp_path / "console-password").write_text("the-password")
    (tmp_path / "console-plans-password").write_text("another-password")
    text = (DEPLOY / "console.toml").read_text().replace("/secrets/", f"{tmp_path}/")
    (tmp_path / "console.toml").write_text(text)
    loaded = settings.load(tmp_path / "console.toml", {})
    one = loaded.environments["production"]
    assert {name for name in settings.SOURCE_NAMES if getattr(one, name) is None} == set()
    hosts = {urlsplit(getattr(one, name).url).hostname for name in settings.HTTP_SOURCES}
    hosts |= {one.postgres.host, one.redis.host} | {urlsplit(replica.url).hostname for replica in one.synaptic.replicas}
    assert hosts <= set(services)
    assert one.synaptic.admin_token == SecretStr("the-token")
    assert services["console"]["ports"][0].startswith(loaded.server.public_url.removeprefix("http://"))


def test_metrics_logs_and_settings_call_the_replicas_by_the_same_names(services):
    pods = [replica.pod for replica in Plan(home=ROOT).replicas]
    jobs = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())["scrape_configs"]
    scraped = next(job for job in jobs if job["job_name"] == "synaptic")["static_configs"]
    assert [target["labels"]["pod"] for target in scraped] == pods
    assert [services[f"synaptic-{i}"]["logging"]["options"]["tag"] for i in range(3)] == pods
    for target in (target for job in jobs for one in job["static_configs"] for target in one["targets"]):
        host = urlsplit(target if "://" in target else f"//{target}").hostname
        assert host in {*services, "127.0.0.1"}


@pytest.mark.parametrize("index", range(3))
def test_a_replica_takes_its_ports_and_addresses_from_its_container(services, index, monkeypatch, tmp_path):
    service = services[f"synaptic-{index}"]
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("DEMO_HOME", str(tmp_path))
    run(sys.executable, str(DEPLOY / "compose/make_secrets.py"), str(make_folder(tmp_path / "run")))
    assert service["command"] == ["--replica", str(index)]
    told = reference.Settings.from_environment(Plan.from_environment(), index, "1.8.1")
    assert (told.replica.http_port, told.replica.metrics_port) == (8080, 8084)
    assert told.dsn == "postgresql://synaptic@postgres:5432/synaptic"
    assert told.redis_url == "redis://redis:6379/0"
    assert told.admin_token == (tmp_path / "run/admin-token").read_text()
    listens = "from demo.plan import HOST, LISTEN; print(HOST, LISTEN)"
    assert run(sys.executable, "-c", listens, cwd=ROOT).split() == ["127.0.0.1", "0.0.0.0"]


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_secrets_are_made_once_and_only_readable_for_their_group(tmp_path):
    script = str(DEPLOY / "compose/make_secrets.py")
    run(sys.executable, script, str(tmp_path))
    first = {file.name: file.read_text() for file in tmp_path.iterdir()}
    run(sys.executable, script, str(tmp_path))
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == first
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes.pop("pgpass") == 0o600
    assert set(modes.values()) == {0o440}
    assert len(set(first.values())) == len(first)
    assert first["pgpass"].strip().endswith(first["database-password"])


def test_filebeat_writes_documents_into_the_index_that_the_shipper_makes():
    shipped = json.loads((DEPLOY / "filebeat/synaptic-logs.template.json").read_text())
    assert shipped == template("synaptic-logs")
    config = yaml.safe_load((DEPLOY / "filebeat/filebeat.yml").read_text())
    assert config["output.elasticsearch"]["index"] == "synaptic-logs-%{+yyyy.MM.dd}"
    assert shipped["index_patterns"] == [config["setup.template"]["pattern"]]


def test_prometheus_and_alertmanager_accept_their_configuration(tmp_path):
    for name in ("compose/prometheus.yml", "prometheus/synaptic.rules.yml", "prometheus/slo.rules.yml"):
        shutil.copy(DEPLOY / name, tmp_path)
    run(program("promtool"), "check", "config", str(tmp_path / "prometheus.yml"))
    run(program("amtool"), "check-config", str(DEPLOY / "compose/alertmanager.yml"))


def test_alerts_are_grouped_and_inhibited_as_in_production():
    shipped, composed = (
        yaml.safe_load((DEPLOY / path).read_text())
        for path in ("alertmanager/alertmanager.yml", "compose/alertmanager.yml")
    )
    assert composed["inhibit_rules"] == shipped["inhibit_rules"]
    assert {**composed["route"], "receiver": ""} == {**shipped["route"], "receiver": ""}


def nginx_configuration(name: str, folder: Path) -> Path:
    """The shipped file, with what it writes in a folder of the test."""
    text = (DEPLOY / "nginx" / name).read_text().replace("/tmp/", f"{folder}/").replace("/dev/stdout", "/dev/null")
    path = folder / name
    path.write_text(text)
    return path


def test_nginx_accepts_the_configuration_of_the_balancer(tmp_path):
    path = nginx_configuration("synaptic.conf", tmp_path)
    path.write_text(re.sub(r"synaptic-\d:8080", "127.0.0.1:8080", path.read_text()))
    run(program("nginx"), "-t", "-q", "-e", "stderr", "-p", str(tmp_path), "-c", str(path))


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """The console with its door in front, as compose starts the two: (address outside, the console itself)."""
    folder = tmp_path_factory.mktemp("door")
    outside = free_port()
    settings_text = f"""
        [server]
        public_url = "http://127.0.0.1:{outside}"
        [records]
        url = "sqlite:///{folder}/records.sqlite3"
    """
    nginx = program("nginx")
    with serving(folder, settings_text) as console:
        path = nginx_configuration("console.conf", folder)
        text = path.read_text().replace("listen 8500", f"listen 127.0.0.1:{outside}")
        path.write_text("daemon off;\n" + text.replace("127.0.0.1:8501", console.address))
        folder.chmod(0o755)
        command = [nginx, "-e", "stderr", "-p", str(folder), "-c", str(path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            try:
                with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
                    assert client.get(f"http://127.0.0.1:{outside}/healthz").status_code == 200
                yield f"127.0.0.1:{outside}", console
            finally:
                process.terminate()


@pytest.mark.integration
def test_pages_and_sessions_come_through_the_door_of_the_console(door):
    address, _ = door
    page = httpx.get(f"http://{address}/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    stream = f"ws://{address}/_stcore/stream"
    with connect(stream, origin=f"http://{address}", subprotocols=["streamlit"]) as session:
        assert session.subprotocol == "streamlit"
    with pytest.raises(InvalidStatus, match="403"):
        connect(stream, origin="http://evil.example", subprotocols=["streamlit"])


@pytest.mark.integration
def test_what_the_door_hands_over_is_not_taken_for_this_machine(door):
    address, console = door
    assert httpx.get(f"http://{address}/metrics").status_code == 403
    assert console.get("/metrics").status_code == 200
    assert httpx.get(f"http://{address}/", headers={"Host": "evil.example"}).status_code == 421
