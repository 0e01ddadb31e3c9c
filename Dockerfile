# Gatewright with Apache httpd, as one image: docker build -t mtls:1 .   docker run -it -p 443:443 mtls:1
# BASE is any Debian 12 or newer; pin it by digest for builds that must not change: --build-arg BASE=debian@sha256:…
# trixie brings httpd 2.4 with OpenSSL 3.5, whose handshakes cost about a third less than those of bookworm's 3.0.
ARG BASE=docker.io/library/debian:trixie-slim

FROM ${BASE} AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3-venv
COPY pyproject.toml README.md LICENSE /src/
COPY src /src/src
RUN python3 -m venv /opt/gatewright \
    && /opt/gatewright/bin/pip install -q --no-cache-dir --disable-pip-version-check "/src[postgresql]" \
    # What only installing needs stays behind; what Python would compile at each start is compiled once.
    && /opt/gatewright/bin/pip uninstall -q -y pip \
    && find /opt/gatewright -name '*.pyc' -delete \
    && /opt/gatewright/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/gatewright/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="Gatewright" \
      org.opencontainers.image.description="One declarative file becomes a running, proven mutual-TLS gateway on Apache httpd." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends apache2-bin ca-certificates openssl python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /gateway --shell /usr/sbin/nologin gatewright \
    && install -d -o gatewright -g gatewright -m 0700 /gateway
COPY --from=build /opt/gatewright /opt/gatewright
COPY --chmod=0755 container/entrypoint /usr/local/bin/gatewright-entrypoint
ENV PATH=/opt/gatewright/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWRIGHT_FOLDER=/gateway \
    GATEWRIGHT_PROGRAM=gatewright
# Keys, certificates, the store, generations and logs: everything that has to outlive the container. Nothing of it is in the image.
VOLUME /gateway
WORKDIR /gateway
USER 10001:10001
EXPOSE 443
# SIGTERM: no new connections, requests under way are finished (8 s at most, engines kill after 10). SIGWINCH, which a resized
# terminal sends and httpd by itself would stop at, is ignored.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["gatewright", "status", "--serving"]
ENTRYPOINT ["gatewright-entrypoint"]
CMD ["up"]
