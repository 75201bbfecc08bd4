# syntax=docker/dockerfile:1
# Zakrom in a container: the locked dependencies in a virtual environment, a user without rights, data in a volume.
#
#   docker build -t zakrom .
#   docker run -p 127.0.0.1:9000:9000 -v zakrom:/data zakrom

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /src
# Compiled in advance: the server's user may not write here, and a start would compile everything again and again.
ENV UV_PROJECT_ENVIRONMENT=/opt/zakrom \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
# The dependencies have a layer of their own: they change more seldom than the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --no-install-project
COPY README.md LICENSE ./
COPY src ./src
RUN uv sync --frozen --no-default-groups --no-editable

FROM python:${PYTHON}-slim
# A numeric id above those of any distribution, so that Kubernetes' runAsNonRoot can see it and a host user never has it.
RUN groupadd --gid 10001 zakrom \
    && useradd --uid 10001 --gid zakrom --no-create-home --home-dir /data --shell /usr/sbin/nologin zakrom \
    && install --directory --owner zakrom --group zakrom --mode 0750 /data
COPY --from=build /opt/zakrom /opt/zakrom
ENV PATH=/opt/zakrom/bin:$PATH \
    ZAKROM_DATA=/data \
    ZAKROM_ADDRESS=0.0.0.0:9000 \
    ZAKROM_ADMIN_ADDRESS=0.0.0.0:9001
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 9000 9001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["zakrom", "health"]
ENTRYPOINT ["zakrom"]
CMD ["serve"]
