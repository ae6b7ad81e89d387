# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /app
COPY requirements.lock requirements-build.lock ./
RUN pip install --require-hashes --no-deps -r requirements-build.lock \
 && /app/bin/pip install --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md ./
COPY clients/python clients/python
COPY server server
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels ./clients/python . \
 && /app/bin/pip install --no-deps /wheels/*.whl \
 && /app/bin/pip check \
 && /app/bin/pip uninstall --yes pip

FROM python:3.13-slim

RUN useradd --system --uid 10001 --user-group --no-create-home gateway
COPY --from=build /app /app
USER 10001:10001
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["llm-gateway", "health", "--self"]
ENTRYPOINT ["llm-gateway"]
CMD ["serve"]
