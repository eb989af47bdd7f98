# Copyright The child-account-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Needs Go, make, git and bash; the targets for a cluster need kubectl as well, test-interop Node.js and npm.

GO      ?= go
KUBECTL ?= kubectl

# Which packages test runs, and how: make test PKG=./internal/account/... TESTFLAGS='-run TestDiff -v'
PKG       ?= ./...
TESTFLAGS ?=
# In how many processes the specs of a suite run at one time, each with a control plane of its own: twice the cores unless said.
PROCS     ?=

# With how many inputs make fuzz runs each target; a time such as 1m does too.
FUZZTIME ?= 20000x
# With how many those targets whose inputs cost the most; for make test-all a quarter.
FUZZ_COSTLY ?= $(FUZZTIME)

VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS  = -s -w -X cpaas.dev/child-account-operator/internal/cli.version=$(VERSION)
BIN      = bin/child-account-operator

# The image's name: make deploy IMG=registry.example/child-account-operator:v1
IMG       ?=
PLATFORMS ?= linux/amd64 linux/arm64
ARCHIVE   ?= bin/image.tar
# Where make release puts what is published.
DIST      ?= dist
# What make deploy installs: config/default, config/namespaced, or a directory of your own in this tree.
CONFIG    ?= config/default
need-img   = [ -n '$(IMG)' ] || { echo 'make: say which image: make $@ IMG=registry.example/child-account-operator:v1' >&2; exit 1; }

# The generators, pinned in a module of their own; they run here, whatever is built for.
TOOL           = GOWORK=off GOOS= GOARCH= $(GO) tool -modfile=hack/tools/go.mod
CONTROLLER_GEN = $(TOOL) controller-gen
TIMEZONES      = GOWORK=off GOOS= GOARCH= CGO_ENABLED=0 $(GO) run -trimpath ./hack/timezones
CRD_REF_DOCS   = $(TOOL) crd-ref-docs --log-level=ERROR

# Prints where golangci-lint with kube-api-linter in it is, once it is built, which takes some minutes the first time.
# It is pinned in a module of its own.
GOLANGCI_LINT = GOWORK=off GOOS= GOARCH= $(GO) tool -modfile=hack/lint/go.mod -n golangci-lint-kube-api-linter

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":[^#]*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z][a-z-]*:[^#]*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Build

BUILD = env CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN) .

.PHONY: build
build: ## build bin/child-account-operator
	$(BUILD)

MAKE_IMAGE = GOWORK=off GOOS= GOARCH= $(GO) run -C hack/image . $(addprefix -name=,$(IMG)) -version='$(VERSION)' -revision='$(REVISION)'
BINARIES   = $(foreach p,$(PLATFORMS),$(p)=$(CURDIR)/bin/image/$(p)/child-account-operator)

.PHONY: image
image: binaries ## build the image (bin/image.tar, an OCI archive) without a container engine (IMG=… names it, PLATFORMS=…)
	@$(MAKE_IMAGE) -o $(abspath $(ARCHIVE)) $(BINARIES)

.PHONY: push
push: binaries ## build the image and push it, with the credentials of docker login (IMG=registry.example/child-account-operator:v1)
	@$(need-img)
	@$(MAKE_IMAGE) -push '$(IMG)' $(BINARIES)

.PHONY: release
release: ## build what is published, in dist/: install.yaml, the image, the binaries, SHA256SUMS (IMG=registry.example/child-account-operator:v1, PLATFORMS=…, DIST=…)
	@$(need-img)
	@$(MAKE) --no-print-directory image
	@GO='$(GO)' hack/release/assemble '$(abspath $(DIST))' '$(VERSION)' '$(IMG)' '$(abspath $(ARCHIVE))' $(BINARIES)
	@echo '$(DIST): '"$$(ls '$(DIST)' | tr '\n' ' ')"

.PHONY: binaries
binaries:
	@for p in $(PLATFORMS); do \
	  GOOS=$${p%/*} GOARCH=$${p#*/} $(MAKE) --no-print-directory build BIN=bin/image/$$p/child-account-operator || exit; \
	done

.PHONY: run
run: ## run the demo: a control plane, the simulated provider and the operator (ONCE=1: end after the last step)
	@assets=$$(hack/controlplane/assets) || { echo 'make: no control plane to run against: see above' >&2; exit 1; }; \
	echo 'make: building the operator (bin/child-account-operator) and the demo: some minutes the first time, then seconds' >&2 && \
	hack/progress 'building the operator' $(BUILD) && \
	hack/progress 'building the demo' env CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/run-demo ./hack/demo && \
	exec env KUBEBUILDER_ASSETS="$$assets" ONCE='$(ONCE)' bin/run-demo --operator $(BIN)

##@ Develop

.PHONY: generate
generate: ## generate the DeepCopy methods of the API types, and the list of time zones (internal/voximplant/timezones.txt)
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(TIMEZONES) list internal/voximplant/timezones.txt

.PHONY: manifests
manifests: ## generate the CRDs (config/crd/bases), the operator's roles (config/rbac/role), Argo CD's ConfigMap (config/argocd) and docs/api.md
	@rm -rf bin/manifests
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=bin/manifests/crd
	$(TIMEZONES) crd internal/voximplant/timezones.txt bin/manifests/crd/accounts.cpaas.dev_childaccounts.yaml
	$(TIMEZONES) crd internal/voximplant/timezones.txt bin/manifests/crd/accounts.cpaas.dev_parentaccounts.yaml
	$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/... output:rbac:dir=bin/manifests/rbac
	@mkdir -p config/crd/bases config/rbac/role
	@for f in config/crd/bases/*.yaml; do [ -e "bin/manifests/crd/$${f##*/}" ] || rm -f "$$f"; done
	@mv bin/manifests/crd/*.yaml config/crd/bases/
	@mv bin/manifests/rbac/*.yaml config/rbac/role/
	hack/argocd-cm > bin/manifests/argocd-cm.yaml
	@mv bin/manifests/argocd-cm.yaml config/argocd/
	$(CRD_REF_DOCS) --source-path=./api --config=hack/apidocs/config.yaml --templates-dir=hack/apidocs/templates \
	  --renderer=markdown --output-path=bin/manifests/api.md
	@mv bin/manifests/api.md docs/
	@rm -rf bin/manifests

.PHONY: fmt
fmt: ## format the Go files
	$(GO) fmt ./...

.PHONY: vet
vet: ## run go vet
	@race=$$(hack/race); set -x; $(GO) vet $$race ./...

##@ Check

.PHONY: test
test: ## run the tests: unit, simulator, and against a control plane (PKG=… and TESTFLAGS=… narrow)
	@assets=$$(hack/controlplane/assets $(if $(TEST_ALL),--with controller-manager --with kubectl)) || { echo 'make: no control plane to test against: see above' >&2; exit 1; }; \
	KUBEBUILDER_ASSETS="$$assets" GO='$(GO)' PROCS='$(PROCS)' hack/test '$(PKG)' $(TESTFLAGS)

.PHONY: test-all
test-all: ## run the tests with the slow ones, those beside a kube-controller-manager too, then make fuzz
	@TEST_ALL=1 $(MAKE) --no-print-directory test
	@TEST_ALL=1 $(MAKE) --no-print-directory test-image
	@$(MAKE) --no-print-directory fuzz$(if $(TEST_RELEASE),, FUZZ_COSTLY=5000x)

.PHONY: test-release
test-release: ## run test-all and what is too slow for each change: 10,000 invalid resources, each pair of crashes (takes an hour)
	@TEST_RELEASE=1 CRASH_PAIRS=all $(MAKE) --no-print-directory test-all

.PHONY: test-image
test-image: ## run the tests of the image, which is a module of its own
	GOWORK=off $(GO) test -C hack/image -timeout 20m $(TESTFLAGS) ./...

.PHONY: test-mutants
test-mutants: ## run the reliability tests against operators with one defect each; the tests must notice every defect (takes minutes)
	@assets=$$(hack/controlplane/assets) || { echo 'make: no control plane to test against: see above' >&2; exit 1; }; \
	MUTANTS=1 KUBEBUILDER_ASSETS="$$assets" $(GO) test -count=1 -timeout 60m $(TESTFLAGS) ./hack/mutants

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20000x: as many inputs, or a time such as 1m; PKG=… narrows)
	@GO='$(GO)' FUZZ_COSTLY='$(FUZZ_COSTLY)' hack/fuzz '$(FUZZTIME)' $(PKG)

.PHONY: upgrade-fixture
upgrade-fixture: ## record the state that this commit's operator leaves, which later versions have to continue from (controllers/testdata/upgrade)
	@git diff --quiet HEAD -- api config controllers internal || { echo 'make: commit first: a fixture is named after its commit' >&2; exit 1; }
	@assets=$$(hack/controlplane/assets) || { echo 'make: no control plane to record with: see above' >&2; exit 1; }; \
	UPGRADE_FIXTURE=v1alpha1-$$(git rev-parse --short=7 HEAD) KUBEBUILDER_ASSETS="$$assets" \
	  $(GO) test ./controllers -count=1 -run TestSpecs -ginkgo.focus 'A fixture of upgrades' $(TESTFLAGS)

.PHONY: test-interop
test-interop: ## run the provider's own Node.js client against the simulator (UPDATE_DOCS=1: rewrite docs/interop.md)
	@hack/interop/install
	INTEROP=1 CGO_ENABLED=0 $(GO) test -trimpath -ldflags='-s -w' -vet=off -count=1 ./hack/interop

# What bench measures with: N='1000 5000 10000' LATENCY=20ms RATE=500 INFLIGHT=10, and where it writes, OUT=docs/performance.md, are the defaults. WITHOUT='change newcomers backlog profiles SubAccounts' leaves these scenarios out.
BENCHFLAGS = $(if $(N),--n '$(N)') $(if $(LATENCY),--latency '$(LATENCY)') $(if $(RATE),--rate '$(RATE)') $(if $(INFLIGHT),--in-flight '$(INFLIGHT)') $(if $(OUT),--out '$(OUT)') $(if $(WITHOUT),--without '$(WITHOUT)')

# The commit that bench measures by turns with this one: make bench FORMER=HEAD~1
FORMER ?=
BENCHFLAGS += $(FORMER:%=--former bin/former --former-version '%')

.PHONY: bench
bench: build ## measure the operator and write docs/performance.md (FORMER=commit for one beside it, N=… LATENCY=… RATE=… INFLIGHT=… OUT=…); takes minutes
	@if [ -n '$(FORMER)' ]; then \
	  rm -rf bin/former && git clone -q . bin/former && git -C bin/former checkout -q "$$(git rev-parse '$(FORMER)^{commit}')" && \
	  $(MAKE) --no-print-directory -C bin/former build FORMER=; \
	fi
	@assets=$$(hack/controlplane/assets) || { echo 'make: no control plane to measure against: see above' >&2; exit 1; }; \
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/run-bench ./hack/bench && \
	exec env KUBEBUILDER_ASSETS="$$assets" bin/run-bench --operator $(BIN) --version '$(VERSION)' $(BENCHFLAGS)

.PHONY: verify
verify: ## check generated files, format, go.mod, go vet, the linters and the documents
	@GO='$(GO)' hack/verify

.PHONY: lint
lint: ## run golangci-lint and kube-api-linter (configured in .golangci.yml)
	@lint=$$($(GOLANGCI_LINT)) || exit; race=$$(hack/race); set -x; \
	GOFLAGS="$$($(GO) env GOFLAGS) -trimpath $$race" "$$lint" run && cd hack/image && "$$lint" run

.PHONY: vulncheck
vulncheck: ## look for known vulnerabilities (says that it was skipped where their database can't be reached)
	@GO='$(GO)' hack/vulncheck

##@ Cluster

CRDS = $(patsubst config/crd/bases/accounts.cpaas.dev_%.yaml,crd/%.accounts.cpaas.dev,$(wildcard config/crd/bases/*.yaml))

.PHONY: install
install: ## install the CRDs into the cluster of the current kubeconfig, and wait until they can be used
	$(KUBECTL) apply --server-side -k config/crd
	$(KUBECTL) wait --for=condition=Established --timeout=60s $(CRDS)

# For how long make uninstall waits for ChildAccounts: longer than the operator keeps one whose account can't be deactivated.
UNINSTALL_TIMEOUT ?= 65m

.PHONY: uninstall
uninstall: ## remove the CRDs and every resource of them from the cluster; the operator must still be running, the accounts stay (UNINSTALL_TIMEOUT=65m)
	@echo 'make: ChildAccounts with deletionPolicy Deactivate may take up to an hour: $(KUBECTL) get childaccounts -A -o wide says what each waits for' >&2
	$(KUBECTL) delete childaccounts.accounts.cpaas.dev --all --all-namespaces --ignore-not-found --timeout=$(UNINSTALL_TIMEOUT) || \
	  { echo 'make: ChildAccounts are left: $(KUBECTL) get childaccounts -A -o wide says what each waits for; is the operator running? Nothing else was removed.' >&2; exit 1; }
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## install the CRDs and the operator into the cluster (IMG=registry.example/child-account-operator:v1; CONFIG=…)
	@$(need-img)
	$(KUBECTL) apply --server-side -k "$$(hack/overlay $@ '$(CONFIG)' '$(IMG)')"

.PHONY: undeploy
undeploy: ## remove the operator from the cluster; the CRDs, their resources and the operator's namespace stay (see make uninstall)
	$(KUBECTL) delete --ignore-not-found -k "$$(hack/overlay $@ '$(CONFIG)')"

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist
