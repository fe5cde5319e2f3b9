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
	cd e2e/prometheus && $< run
	cd e2e/web && $< run
	go mod tidy -diff
	go -C e2e/prometheus mod tidy -diff
	go -C e2e/web mod tidy -diff

$(tools)/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(tools) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(tools)/golangci-lint $@

# Prometheus's own programs, in the versions that the modules of e2e/prometheus pin.
# Without service discovery their build takes a third of the time and of the memory.
$(tools)/prometheus $(tools)/promtool: e2e/prometheus/go.mod
	go -C e2e/prometheus build -tags remove_all_sd -ldflags '-s -w' -o $@ github.com/prometheus/prometheus/cmd/$(@F)

$(tools)/alertmanager: e2e/prometheus/alertmanager/go.mod
	go -C e2e/prometheus/alertmanager build -ldflags '-s -w' -o $@ github.com/prometheus/alertmanager/cmd/alertmanager

.PHONY: $(tools)/vllm_prober
$(tools)/vllm_prober:
	go build -ldflags '$(LDFLAGS)' -o $@ .

.PHONY: e2e-prometheus
e2e-prometheus: $(tools)/vllm_prober $(tools)/prometheus $(tools)/promtool $(tools)/alertmanager ## Test rules and dashboards on a real Prometheus that scrapes the demo.
	go -C e2e/prometheus test -count 1 -timeout 20m -v . -args -tools $(tools)

.PHONY: field-report
field-report: $(tools)/vllm_prober $(tools)/prometheus $(tools)/promtool ## Print the demo's tables of rates, batch sizes and their changes, as the rules have them.
	go -C e2e/prometheus test -count 1 -timeout 20m -v -run '^TestDemo$$/^the_field_report' . -args -tools $(tools)

.PHONY: backtest
backtest: ## Print how many false and missed alerts the rules give on simulated runs.
	GOGC=300 go -C e2e/prometheus test -count 1 -timeout 20m -v ./backtest

.PHONY: rules-test
rules-test: $(tools)/promtool ## Check the rules and alerts, and run their unit tests.
	$< check rules alerts/*.rules.yaml
	$< test rules alerts/tests/*.test.yaml

.PHONY: truth
truth: ## Print how well searches find what is true of simulated engines.
	go test -run 'TestSearchFindsWhatIsTrue|TestTheNextExperiments' -v -count 1 ./prober

.PHONY: dashboards-check
dashboards-check: ## Hold the dashboards against what Grafana publishes, with Node.js 20.19 or newer and npm.
	cd dashboards/grafana && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent check

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
	go -C e2e/web test -count 1 -timeout 15m .

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
