# The same image as make image makes, for those who have a container engine:
#   docker build --build-arg VERSION=v1 -t registry.example/child-account-operator:v1 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH make build VERSION=$VERSION

# The binary holds certificate authorities and time zones; it writes no files.
FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="child-account-operator" \
      org.opencontainers.image.description="Keeps child accounts of a telephony provider in sync with their specs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build --chmod=0555 /src/bin/child-account-operator /child-account-operator
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/child-account-operator"]
