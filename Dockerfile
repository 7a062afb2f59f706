# syntax=docker/dockerfile:1
# docker build -t wesal-gateway .
# With traces by OTLP: docker build --build-arg FEATURES=otlp -t wesal-gateway .
# With the commands sandbox and simulate, which production does not need: --build-arg FEATURES=sandbox
# The program, its manual and completions for a host without Rust: docker build --target files --output out .
#
# Both images are of the same Debian: the program needs the C library that it was built with, or a newer one.

FROM rust:1.95-slim-bookworm AS build
# They build the TLS library and the allocator.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# benches/ is named in Cargo.toml.
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY src src
COPY benches benches
ARG FEATURES=""
# What was downloaded and compiled is kept for the next build, outside the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package wesal-gateway --no-default-features --features "$FEATURES" --bin wesal-gateway \
    && install -D target/release/wesal-gateway /out/bin/wesal-gateway
COPY scripts/write-manual scripts/write-manual
RUN scripts/write-manual /out/bin/wesal-gateway /out/share && mkdir -m 0700 /state

FROM scratch AS files
COPY --from=build /out /

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/bin/wesal-gateway /usr/local/bin/wesal-gateway
# An example that serves nobody before it is changed: lay your folder over it.
COPY deploy/config.toml /etc/wesal-gateway/config.toml
# A refused login is remembered here, so that restarts do not lock the account. The only place that is written to.
COPY --from=build --chown=65532:65532 /state /var/lib/wesal-gateway
VOLUME /var/lib/wesal-gateway
ENV WESAL_GATEWAY__SERVER__LISTEN=0.0.0.0:8080 \
    WESAL_GATEWAY__UPSTREAM__LOGIN__STATE_DIR=/var/lib/wesal-gateway
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# With server.tls it is to ask the other listener: --url http://127.0.0.1:9090/readyz
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/wesal-gateway", "health"]
ENTRYPOINT ["/usr/local/bin/wesal-gateway"]
CMD ["serve", "--config", "/etc/wesal-gateway/config.toml"]
