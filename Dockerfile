# eqstat with the extra `service`:
#   docker build -t eqstat .
#   docker run --rm -v "$PWD:/data" eqstat serve /data/service.toml
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY eqstat ./eqstat
RUN pip wheel --no-cache-dir --wheel-dir /wheels ".[service,plots]"

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl \
    && useradd --create-home --uid 1000 eqstat
USER 1000
WORKDIR /data
ENTRYPOINT ["eqstat"]
CMD ["--help"]
