# BASE: an image with Python 3.11 or later; by digest (python:3.13-slim@sha256:…) the same one every time, see docs/security.md.
# EXTRAS: of admin, azure, bedrock, postgres, prices, vertex, with spaces between; an image has what is named here and nothing more.
ARG BASE=python:3.13-slim
FROM $BASE AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /app
COPY requirements*.lock ./
ARG EXTRAS=""
RUN pip install --require-hashes --no-deps -r requirements-build.lock \
 && /app/bin/pip install --require-hashes --no-deps -r requirements.lock \
 && for extra in $EXTRAS; do /app/bin/pip install --require-hashes --no-deps -r "requirements-$extra.lock" || exit 1; done
COPY pyproject.toml README.md ./
COPY clients/python clients/python
COPY server server
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels ./clients/python . \
 && /app/bin/pip install --no-deps /wheels/*.whl \
 && /app/bin/pip check \
 && /app/bin/pip uninstall --yes pip

FROM $BASE

RUN useradd --system --uid 10001 --user-group --no-create-home gateway
COPY --from=build /app /app
USER 10001:10001
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1
EXPOSE 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["llm-gateway", "health", "--self"]
ENTRYPOINT ["llm-gateway"]
CMD ["serve"]
