"""NGINX in front of the replicas, configured as the guide says, and its exporter."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from demo.parts.programs import answers, debian
from demo.plan import HOST, Plan
from demo.supervisor_part import Part

# Bodies and answers are kept in memory only: worker processes may not enter the installation's folder.
CONFIGURATION = """\
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log stderr warn;

events {{
    worker_connections 1024;
}}

http {{
    access_log "{access_log}" combined buffer=32k flush=1s;
    server_tokens off;
    client_max_body_size 1m;
    client_body_buffer_size 1m;
    client_body_temp_path "{folder}/client_body";
    proxy_temp_path "{folder}/proxy";
    proxy_max_temp_file_size 0;
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";

    upstream synaptic_backend {{
        least_conn;
{servers}
    }}

    server {{
        listen {host}:{port};
        server_name synaptic.example.com;

        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_connect_timeout 30s;
        proxy_send_timeout 30s;
        proxy_read_timeout 30s;

        location / {{
            proxy_pass http://synaptic_backend;
        }}

        location /health {{
            access_log off;
            proxy_pass http://synaptic_backend;
        }}
    }}

    server {{
        listen {host}:{status_port};
        access_log off;

        location = /stub_status {{
            stub_status;
        }}
    }}
}}
"""


def parts(plan: Plan) -> tuple[Part, ...]:
    """The balancer and its exporter."""
    folder = plan.home / "nginx"
    configuration = folder / "nginx.conf"
    return (
        Part(
            name="nginx",
            command=(debian("nginx"), "-p", f"{folder}/", "-e", "stderr", "-c", str(configuration)),
            ports=(plan.nginx_port, plan.nginx_status_port),
            prepare=partial(_write, plan, configuration),
            ready=answers(plan.nginx_status_port, "/stub_status"),
        ),
        Part(
            name="nginx-exporter",
            command=(
                debian("prometheus-nginx-exporter"),
                f"-web.listen-address={HOST}:{plan.nginx_exporter_port}",
                f"-nginx.scrape-uri=http://{HOST}:{plan.nginx_status_port}/stub_status",
            ),
            ports=(plan.nginx_exporter_port,),
            depends_on=("nginx",),
            ready=answers(plan.nginx_exporter_port, "/metrics"),
        ),
    )


def _write(plan: Plan, configuration: Path) -> None:
    configuration.parent.mkdir(parents=True, exist_ok=True)
    servers = "\n".join(
        f"        server {HOST}:{replica.http_port} max_fails=3 fail_timeout=30s;" for replica in plan.replicas
    )
    configuration.write_text(
        CONFIGURATION.format(
            folder=configuration.parent,
            access_log=plan.logs / "nginx-access.log",
            servers=servers,
            host=HOST,
            port=plan.nginx_port,
            status_port=plan.nginx_status_port,
        )
    )
