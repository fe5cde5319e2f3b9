# syntax=docker/dockerfile:1
# The builder runs on the machine's own platform and cross-compiles, so that an
# arm64 image needs no emulation. NVML takes cgo, and cgo a compiler for the target.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=unknown
ARG REVISION=unknown
ARG BRANCH=unknown
# The machine's own compiler is there; the other one is not.
# hadolint ignore=DL3008
RUN case $TARGETARCH in \
      amd64) CC=x86_64-linux-gnu-gcc package=gcc-x86-64-linux-gnu ;; \
      arm64) CC=aarch64-linux-gnu-gcc package=gcc-aarch64-linux-gnu ;; \
    esac && \
    if ! command -v "$CC"; then \
      apt-get update && \
      apt-get install -y --no-install-recommends "$package" "libc6-dev-$TARGETARCH-cross" && \
      rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Lazily bound, because a driver need not have all of NVML's functions.
RUN case $TARGETARCH in amd64) CC=x86_64-linux-gnu-gcc ;; arm64) CC=aarch64-linux-gnu-gcc ;; esac && \
    CGO_ENABLED=1 CC=$CC GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -extldflags=-Wl,-z,lazy \
    -X github.com/prometheus/common/version.Version=$VERSION \
    -X github.com/prometheus/common/version.Revision=$REVISION \
    -X github.com/prometheus/common/version.Branch=$BRANCH" -o /vllm_prober .
# An empty folder, to be copied with its owner: the base has no shell to make one.
WORKDIR /records

# The base with glibc, because NVML is a glibc library that is loaded at run time.
FROM gcr.io/distroless/base-debian12:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vllm_prober" \
      org.opencontainers.image.description="Continuous open-loop prober of vLLM for Prometheus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /vllm_prober /bin/vllm_prober
COPY --from=build --chown=65532:65532 /records /var/lib/vllm_prober
USER 65532:65532
EXPOSE 9877
VOLUME /var/lib/vllm_prober
# No HEALTHCHECK: Kubernetes ignores it, and asks /-/healthy and /-/ready itself.
ENTRYPOINT ["/bin/vllm_prober"]
CMD ["serve", "--config.file=/etc/vllm_prober/vllm_prober.yml", "--storage.path=/var/lib/vllm_prober"]
