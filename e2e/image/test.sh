#!/usr/bin/env bash
# Builds the image of the Dockerfile with buildah and runs it as its own user,
# without a registry: scratch images stand in for the two bases. This machine's
# /usr, with the compilers and the C library, Go and its module cache are mounted
# into them.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDAH_ISOLATION=chroot
storage=$(mktemp -d)
buildah() { command buildah --root "$storage/root" --runroot "$storage/run" "$@"; }
trap 'buildah umount --all >/dev/null; buildah rm --all >/dev/null; rm -rf "$storage"' EXIT

base_of() { sed -n "s/^FROM \(--platform=[^ ]* \)\?\([^ ]*\)$2\$/\2/p" "$1"; }
builder=$(base_of Dockerfile ' AS build')
runtime=$(base_of Dockerfile '')
case $builder in */*) ;; *) builder=docker.io/library/$builder ;; esac

stand_in() { # NAME ARCH: commits the container that prepare, the function, fills
	local container; container=$(buildah from scratch)
	"${3:-true}" "$container"
	buildah config --arch "$2" --env PATH=/goroot/bin:/usr/bin:/bin --env GOPATH=/root/go --env GOPROXY=off "$container"
	buildah commit --quiet --rm "$container" "$1"
}
# On this machine these are links into /usr, too.
fill_runtime() {
	local links; links=$(mktemp -d)
	ln -s usr/lib "$links/lib"
	ln -s usr/lib64 "$links/lib64"
	buildah copy --quiet "$1" "$links" /
	rm -r "$links"
}
fill_builder() {
	fill_runtime "$1"
	buildah copy --quiet "$1" /bin/busybox /bin/sh
	buildah copy --quiet "$1" /bin/busybox /bin/busybox
	buildah run "$1" -- /bin/busybox mkdir -m 1777 /tmp
}

for arch in amd64 arm64; do
	# Docker takes the builder for the building machine; this buildah looks for it
	# under the platform that is built for.
	stand_in "$builder" "$arch" fill_builder
	stand_in "$runtime" "$arch" fill_runtime
	buildah build --pull=never --platform "linux/$arch" \
		--volume /usr:/usr:ro --volume "$(go env GOROOT):/goroot:ro" --volume "$(go env GOMODCACHE):/root/go/pkg/mod" \
		--build-arg VERSION=1.2.3 --build-arg REVISION=abc --build-arg BRANCH=main --tag "vllm_prober:$arch" .
done

passed=0
check() { # NAME WANT COMMAND...
	local got; got=$("${@:3}" 2>&1) || true
	[[ $got == *"$2"* ]] || { echo "FAIL $1: no '$2' in: $got"; echo "$passed passed, 1 failed"; exit 1; }
	echo "ok   $1"
	passed=$((passed + 1))
}
own=amd64
[ "$(go env GOHOSTARCH)" = arm64 ] && own=arm64
container=$(buildah from --pull=never "vllm_prober:$own")
check "the version is the build argument" "vllm_prober, version 1.2.3 (branch: main, revision: abc)" \
	buildah run --volume /usr:/usr:ro "$container" -- /bin/vllm_prober --version
check "it reads its configuration where it is mounted" "/etc/vllm_prober/vllm_prober.yml is valid: 1 target, 1 probe" \
	buildah run --volume /usr:/usr:ro --volume "$PWD/e2e/image/vllm_prober.yml:/etc/vllm_prober/vllm_prober.yml:ro" "$container" -- \
	/bin/vllm_prober serve --config.file=/etc/vllm_prober/vllm_prober.yml --config.check
check "it is built to read GPUs" "CGO_ENABLED=1" go version -m "$(buildah mount "$container")/bin/vllm_prober"
check "it is no root" '"User": "65532:65532"' buildah inspect --type image "vllm_prober:$own"
mounted=$(buildah mount "$(buildah from --pull=never vllm_prober:arm64)")
check "its user may write records" "65532:65532" stat --format=%u:%g "$(buildah mount "$container")/var/lib/vllm_prober"
check "the arm64 image holds an arm64 binary" "GOARCH=arm64" go version -m "$mounted/bin/vllm_prober"
check "the arm64 image is built to read GPUs, too" "CGO_ENABLED=1" go version -m "$mounted/bin/vllm_prober"
echo "$passed passed, 0 failed"
