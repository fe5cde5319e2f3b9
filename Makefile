# What a developer and CI run. `make` alone tests.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BRANCH   ?= $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
about    := github.com/prometheus/common/version
# Lazily bound, because a driver need not have all of NVML's functions.
LDFLAGS  := -s -w -X $(about).Version=$(VERSION) -X $(about).Revision=$(REVISION) -X $(about).Branch=$(BRANCH) -extldflags=-Wl,-z,lazy

GOLANGCI_LINT_VERSION := v2.15.0
tools := $(CURDIR)/dist/tools

.PHONY: test
test: ## Run all tests, with the race detector.
	go test -race -timeout 30m ./...

.PHONY: build
build: ## Build ./vllm_prober.
	go build -trimpath -ldflags '$(LDFLAGS)' -o vllm_prober .

.PHONY: lint
lint: $(tools)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Run the linters.
	$< run
	go mod tidy -diff

$(tools)/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(tools) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(tools)/golangci-lint $@

.PHONY: truth
truth: ## Print how well searches find what is true of simulated engines.
	go test -run 'TestSearchFindsWhatIsTrue|TestTheNextExperiments' -v -count 1 ./prober

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## Fuzz everything that parses foreign bytes, FUZZTIME each.
	@go list -f '{{.Dir}}' ./... | while read -r dir; do \
		grep -ho '^func Fuzz[A-Za-z]*' "$$dir"/*_test.go 2>/dev/null | cut -c6- | while read -r name; do \
			(cd "$$dir" && go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME)) || exit 1; \
		done || exit 1; \
	done

.PHONY: e2e
e2e: ## Test against the real vLLM, installing it first (about 3 GB).
	./e2e/vllm/install.sh
	go test -tags e2e -count 1 -timeout 30m -v ./e2e/vllm

.PHONY: e2e-web
e2e-web: ## Look at the pages in a browser; needs chromium.
	go -C e2e/web test -count 1 -timeout 10m .

.PHONY: bench-fidelity
bench-fidelity: ## Print how exactly the prober measures, beside `vllm bench serve`.
	go run ./e2e/fidelity

IMAGE ?= vllm_prober:$(VERSION)
.PHONY: image
image: ## Build the container image IMAGE.
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg BRANCH=$(BRANCH) -t $(IMAGE) .

.PHONY: image-test
image-test: ## Build the image with buildah, without a registry, and try it.
	./e2e/image/test.sh

.PHONY: help
help: ## List what make can do.
	@grep -E '^[a-z0-9-]+: .*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18
