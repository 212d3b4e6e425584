# syntax=docker/dockerfile:1

# The image of every part of Nightcast: Airflow's components, workers, and the one-shot commands of docker-compose.yaml.
# Build it with `make image`, which passes the commit.
#
# The official image gives Python, its user and its entrypoint; slim, because the next step leaves only our lock in place
# of whatever packages it brings. Its version is the locked one: tests/containers says so.
FROM apache/airflow:slim-3.3.2-python3.11

# First, because it is large and changes least. `sync` makes the image's environment exactly the lock: what the tests ran
# with, no package more, each one by its hash. Without bytecode every task would compile Airflow again.
COPY --chmod=0444 requirements.txt /opt/nightcast/requirements.txt
RUN uv pip sync --no-cache --require-hashes --only-binary :all: --compile-bytecode /opt/nightcast/requirements.txt \
    && uv pip check

# The code belongs to root: what runs cannot change it.
COPY include /opt/nightcast/include
COPY dags /opt/nightcast/dags
COPY plugins /opt/nightcast/plugins
USER 0
RUN chmod -R a+rX,go-w /opt/nightcast \
    && python -m compileall -q -j 0 /opt/nightcast/include /opt/nightcast/dags /opt/nightcast/plugins \
    && install -d -o airflow -g 0 -m 0770 /var/lib/nightcast /var/lib/nightcast/lake /var/lib/nightcast/logs
USER 50000

ENV PYTHONPATH=/opt/nightcast/include \
    PYTHONUNBUFFERED=1 \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/nightcast/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/nightcast/plugins \
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/lib/nightcast/logs \
    NIGHTCAST_PIPELINES=/opt/nightcast/include/pipelines \
    NIGHTCAST_LAKE=/var/lib/nightcast/lake

# Last, because it changes with every commit. Every run records it.
ARG NIGHTCAST_CODE_COMMIT
RUN test -n "$NIGHTCAST_CODE_COMMIT" \
    || { echo "NIGHTCAST_CODE_COMMIT is empty; expected the commit that is built. Run: make image" >&2; exit 1; }
ENV NIGHTCAST_CODE_COMMIT=$NIGHTCAST_CODE_COMMIT
LABEL org.opencontainers.image.title="Nightcast" org.opencontainers.image.revision=$NIGHTCAST_CODE_COMMIT
