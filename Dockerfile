# The server with the built-in model. docs/operate/containers.md describes its use.
FROM node:20-bookworm-slim AS page
WORKDIR /source/web
COPY web .
RUN npm ci --ignore-scripts && npm run build

FROM python:3.11-slim-bookworm AS build
# ray: with Ray, for a cluster (docs/kubernetes.md).
ARG REQUIREMENTS
WORKDIR /source
COPY requirements/serve.txt requirements/ray.txt requirements/
RUN python -m venv --without-pip /opt/forefront \
 && python -m pip --python /opt/forefront/bin/python install --no-cache-dir --require-hashes --requirement "requirements/${REQUIREMENTS:-serve}.txt"
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY --from=page /source/src/forefront/server/page src/forefront/server/page
RUN python -m pip --python /opt/forefront/bin/python install --no-cache-dir --no-deps --no-build-isolation . \
 && python -m pip --python /opt/forefront/bin/python uninstall --yes editables hatchling pathspec pluggy trove-classifiers \
 && mkdir /var/lib/forefront

FROM python:3.11-slim-bookworm
COPY --from=build /opt/forefront /opt/forefront
COPY --from=build --chown=10001:10001 /var/lib/forefront /var/lib/forefront
ENV PATH=/opt/forefront/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    FOREFRONT_HOME=/var/lib/forefront \
    HF_HOME=/var/lib/forefront/huggingface \
    HOST=0.0.0.0 \
    PORT=8000
USER 10001:10001
VOLUME /var/lib/forefront
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
ENTRYPOINT ["forefront"]
CMD ["serve"]
