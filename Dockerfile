# Catalens as an HTTP service on a processor: docker build -t catalens . && docker run -p 8080:8080 catalens
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/catalens-*.whl)[serve,tracing,aws,opensearch,postgres]" \
    && rm -rf /wheels \
    && useradd --uid 10001 --no-create-home catalens
# With --read-only, mount a tmpfs on /tmp: what can be made again is kept there.
ENV CATALENS_CACHE=/tmp/catalens \
    PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/ready', timeout=2)"]
ENTRYPOINT ["catalens"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
