# Two images. The console:                          docker build -t synaptic-console .
# The reference service that compose.yaml looks at: docker build -t synaptic-reference --target reference .
#
# The console's file system may be read-only: it writes to /records (its memory, a volume) and /tmp only.

FROM python:3.11.13-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN ["python", "-m", "venv", "/opt/venv"]
COPY requirements/runtime.txt /requirements/
RUN ["/opt/venv/bin/pip", "install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", "/requirements/runtime.txt"]

FROM packages AS reference-packages
COPY requirements/demo.txt /requirements/
RUN ["/opt/venv/bin/pip", "install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement", "/requirements/demo.txt"]

FROM python:3.11.13-slim-bookworm AS base
# A fixed number, so that volumes can be given to it, without a home or a shell.
RUN groupadd --system --gid 10001 synaptic \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin synaptic
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1

FROM base AS reference
COPY --from=reference-packages /opt/venv /opt/venv
WORKDIR /srv/synaptic
COPY demo demo
COPY deploy/prometheus/synaptic.rules.yml deploy/prometheus/slo.rules.yml deploy/prometheus/
COPY deploy/compose/make_secrets.py deploy/compose/
# Compiled here, because nothing can be written where it runs.
RUN python -m compileall -q -j 0 /srv/synaptic && install -d -o synaptic -g synaptic -m 0750 /srv/synaptic/home/run
ENV PYTHONDONTWRITEBYTECODE=1 DEMO_HOME=/srv/synaptic/home
USER 10001:10001
EXPOSE 8080 8084
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "demo.synaptic"]
CMD ["--replica", "0"]

# The last one is what a build without --target makes.
FROM base AS console
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/console
COPY pyproject.toml app.py access.py cli.py house.py settings.py worker.py ./
COPY .streamlit .streamlit
COPY analysis analysis
COPY collectors collectors
COPY pages pages
COPY records records
COPY telemetry telemetry
COPY ui ui
COPY views views
COPY web web
RUN python -m compileall -q -j 0 /srv/console && install -d -o synaptic -g synaptic -m 0750 /records
ENV PYTHONDONTWRITEBYTECODE=1 SYNAPTIC_CONSOLE_CONFIG=/etc/synaptic-console/console.toml
USER 10001:10001
VOLUME ["/records"]
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/healthz', timeout=9)"]
ENTRYPOINT ["streamlit", "run", "app.py"]
# Loopback of the container, as long as there is no sign-in: the console refuses to start on another address, and a
# proxy in the same network namespace lets people in (docs/operations.md). A command of your own replaces these.
CMD ["--server.address=127.0.0.1", "--server.port=8501"]
