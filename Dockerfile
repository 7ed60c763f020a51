# A static program in an empty image: no shell, no libraries, so only the program itself needs updates.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
COPY . .
# The target must be named; otherwise the flag also applies to build scripts and procedural macros, which
# cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    host="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
       cargo build --release --locked --bin logpilot-operator --target "$host" \
    && install -D -m 0555 "target/$host/release/logpilot-operator" /out/logpilot-operator

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="logpilot-operator" \
      org.opencontainers.image.description="Kubernetes operator that runs LogPilot from one custom resource" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/logpilot-operator /logpilot-operator
# A number, because there is no /etc/passwd and the kubelet must be able to check runAsNonRoot.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/logpilot-operator"]
CMD ["run"]
