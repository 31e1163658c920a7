# Building needs Go and nothing else: no git, no network once the modules are
# there. `make` alone lists the targets.

GO      ?= go
PREFIX  ?= $(HOME)/.local
BINDIR  := $(PREFIX)/bin
# How long each fuzz target runs.
FUZZTIME ?= 30s
# What `make bench`, `make mutate` and `make release` hand on, for example BENCHFLAGS='-n 5'.
BENCHFLAGS   ?=
MUTATEFLAGS  ?=
RELEASEFLAGS ?=
# The commit before the change.
SINCE ?= HEAD^
# One row or cell of the client matrix: CELL=podman/bearer, CELL=crane/hub/tool.
CELL ?=
# Empty: of the client matrix a part that changes with the day, and of the registries only
# those that are built within a minute or are there already.
WHOLE ?= 1
NAMES   := docker-credential-regshape regshape-credential-provider

# The version is stamped below, so Go need not ask git, which refuses to
# answer in a checkout that belongs to somebody else.
export GOFLAGS := $(strip $(filter-out -buildvcs=%,$(shell $(GO) env GOFLAGS 2>/dev/null)) -buildvcs=false)
unexport CDPATH

# All three come from the commit, so that two builds of one commit are equal.
ifneq ($(wildcard .git),)
VERSION ?= $(shell git describe --tags --always --dirty --abbrev=12 2>/dev/null)
COMMIT  ?= $(shell git rev-parse --verify -q HEAD 2>/dev/null)
DATE    ?= $(shell TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
endif
LDFLAGS := -s -w -X main.version=$(or $(VERSION),dev) -X main.commit=$(COMMIT) -X main.date=$(DATE)

# Developer tools, pinned in a module of their own. The first use builds them,
# which takes golangci-lint a few minutes on a small machine.
TOOL := $(GO) tool -modfile=scripts/tools/go.mod
SHELLSCRIPTS = .ci/run $(shell find scripts -name '*.sh')

.PHONY: help build install demo test touched race e2e matrix torture mutate lint fmt cross windows fuzz bench microbench proof release releasetest cover tidy vuln clean ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

build: ## build bin/regshape and its other names
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/regshape .
	@for name in $(NAMES); do ln -sf regshape "bin/$$name"; done

# Each name appears whole or not at all, also over a program that is running.
install: build ## put all names into $(PREFIX)/bin (PREFIX=~/.local)
	@mkdir -p "$(BINDIR)"
	@tmp="$(BINDIR)/.regshape.$$$$"; trap 'rm -f "$$tmp"' EXIT; \
	  cp bin/regshape "$$tmp" && chmod 0755 "$$tmp" && mv -f "$$tmp" "$(BINDIR)/regshape" || exit; \
	  for name in $(NAMES); do ln -s regshape "$$tmp" && mv -f "$$tmp" "$(BINDIR)/$$name" || exit; done
	@echo "installed $(BINDIR)/regshape, $(BINDIR)/docker-credential-regshape and $(BINDIR)/regshape-credential-provider"
	@case ":$$PATH:" in *":$(BINDIR):"*) \
	    found=$$(command -v regshape || true); \
	    if [ "$$found" != "$(BINDIR)/regshape" ]; then echo "note: PATH finds $$found first"; fi ;; \
	  *) echo "$(BINDIR) is not on your PATH. Add this line to your shell's start file:"; \
	    case "$$SHELL" in \
	    */fish) echo "  fish_add_path '$(BINDIR)'" ;; \
	    *) echo "  export PATH=\"$(BINDIR):\$$PATH\"" ;; \
	    esac ;; \
	  esac

demo: install ## install, then show a login, a pull, a logout and a renewal in a throw-away home
	$(GO) run ./scripts/demo -bin "$(BINDIR)"

# Of many combinations a test tries some, others on another day, and prints which.
# TESTENV_WHOLE=1 has it try all, and so does make proof.
#
# Linux can tell whether a test opens or changes a file of whoever runs it. All others may
# run go test itself, too: what it runs is the same.
test: ## run the tests, and see that they leave your own files alone
ifeq ($(shell uname -s 2>/dev/null),Linux)
	@$(GO) build -o bin/untouched ./scripts/untouched
	$(GO) test -timeout 20m -exec '"$(CURDIR)/bin/untouched"' ./...
else
	$(GO) test ./...
endif

# A sample may miss what a change broke in its own package.
touched: ## run whole the tests of the packages that a change touches (SINCE=HEAD^)
	@git rev-parse --verify -q '$(SINCE)^{commit}' >/dev/null || { echo "there is no commit $(SINCE) to compare with"; exit 0; }; \
	  packages=$$(git diff --name-only '$(SINCE)' -- '*.go' | xargs -r -n 1 dirname | sort -u | while read -r dir; do \
	    $(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "./$$dir" 2>/dev/null; done); \
	  if [ -n "$$packages" ]; then TESTENV_WHOLE=1 $(GO) test -timeout 20m $$packages; else echo "$(SINCE) and the present differ in no tested package"; fi

# Commands that run one after the other have no races: make test runs those tests, and the tools' own.
# Without that setting each process of the tests sleeps a second at its end.
race: export CGO_ENABLED = 1
race: export GORACE = atexit_sleep_ms=0
race: ## run the tests of concurrent code under the race detector (needs a C compiler)
	$(GO) test -race -short -timeout 20m -skip '^Test(Help_|Manual_|Setup(Kubelet)?_(undo|shows|podman)|Account_whiteSpace|CorpusRoundTrips|RegistriesOddFiles|AsPodmanAsks)' \
	  $$($(GO) list ./... | grep -vE '^regshape(/scripts/.*)?$$') ./scripts/testenv ./scripts/testregistry/...
	$(GO) test -race -short -timeout 20m -run '^TestDeviceScripts$$|^TestScripts$$/^(forward|import_interrupted|status)$$|^Test(Login_parallel|Prompt_|Forward_|Device_|.*Prompts$$)' . ./scripts/acceptance

e2e: ## install real clients and registries, and test with them (Debian, root; CELL=podman/bearer: one cell)
	bash scripts/e2e/install.sh $(if $(WHOLE),whole)
	TESTENV_WHOLE=$(WHOLE) $(GO) test -tags e2e -count=1 -timeout 30m -v $(if $(CELL),-run '^TestMatrix$$/^$(subst /,$$/^,$(CELL))$$') ./scripts/e2e

matrix: ## run the whole client matrix and write its table into scripts/e2e/README.md
	bash scripts/e2e/install.sh whole
	REGSHAPE_WRITE=1 $(GO) test -tags e2e -count=1 -timeout 30m -v -run '^TestMatrix$$' ./scripts/e2e

torture: ## kill, starve, race and cut the power of what writes (root: power cuts); prints counts
	$(GO) test -tags torture -count=1 -timeout 45m -v ./scripts/torture

mutate: ## change package store one line at a time, and check that a test fails (MUTATEFLAGS='-n 40')
	$(GO) run ./scripts/mutate $(MUTATEFLAGS)

lint: ## check go.mod, the Go code, dead code and the shell scripts
	$(GO) mod tidy -diff
	$(TOOL) golangci-lint run
	@dead=$$($(TOOL) deadcode -test -tags e2e,torture,release,wine ./...) || exit 1; \
	  if [ -n "$$dead" ]; then echo "dead code:"; echo "$$dead"; exit 1; fi
	@command -v shellcheck >/dev/null || { echo "shellcheck is not installed"; exit 1; }
	shellcheck $(SHELLSCRIPTS)

fmt: ## format the Go code
	$(TOOL) gofumpt -l -w .

cross: ## build and vet for the other systems
	GOOS=windows CGO_ENABLED=0 $(GO) build ./...
	GOOS=windows CGO_ENABLED=0 $(GO) vet ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) build ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...

windows: ## install wine, and run the tests and programs for Windows with it (Debian, root)
	sh scripts/windows/install.sh
	$(GO) run ./scripts/windows

fuzz: ## run every fuzz target for FUZZTIME (30s)
	$(GO) run ./scripts/fuzz -time $(FUZZTIME)

bench: ## compare whole processes with an empty Go program and with other helpers
	bash scripts/bench/install.sh
	$(GO) run ./scripts/bench $(BENCHFLAGS)

microbench: ## time single functions; bin/bench.old.txt, if there, is compared with
	@mkdir -p bin
	$(GO) test -run '^$$' -bench . -count 6 ./store ./store/keys ./credhelper >bin/bench.txt
	$(TOOL) benchstat $(wildcard bin/bench.old.txt) bin/bench.txt

vuln: ## ask the vulnerability database about the dependencies (needs the network)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

# What differs from run to run is not compared with the tables, only written on demand.
proof: ## all of this at length, and write the tables beside each program
	TESTENV_WHOLE=1 REGSHAPE_WRITE=1 $(GO) test -count=1 -timeout 60m ./...
	REGSHAPE_WRITE=1 $(MAKE) torture
	REGSHAPE_WRITE=1 $(MAKE) mutate
	REGSHAPE_WRITE=1 $(MAKE) fuzz
	REGSHAPE_WRITE=1 $(MAKE) bench

release: ## archives, packages, checksums and SBOMs into dist (RELEASEFLAGS='-only linux/amd64')
	$(GO) run ./scripts/release $(RELEASEFLAGS)

releasetest: ## make two releases, compare them, and live with the package (root, Debian)
	$(GO) test -tags release -count=1 -timeout 20m -v ./scripts/release

cover: ## run the tests and say how much of the code they reach
	@mkdir -p bin
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	@$(GO) tool cover -func=bin/cover.out | tail -n 1
	@echo "by line: $(GO) tool cover -html=bin/cover.out"

tidy: ## check that both go.mod files are tidy
	$(GO) mod tidy -diff
	$(GO) -C scripts/tools mod tidy -diff
	$(GO) -C scripts/release/tools mod tidy -diff

clean: ## remove what make built
	rm -rf bin dist

# One after another, also under -j: the cheap checks come first.
ci: ## everything a change must pass, with the time of each
	@for stage in lint cross windows test touched race 'e2e WHOLE=' torture 'mutate MUTATEFLAGS="-n 40"' \
	    'fuzz FUZZTIME=500x' 'bench BENCHFLAGS="-n 2 -sizes 1,50"' releasetest; do \
	  begun=$$(date +%s); eval "$(MAKE) --no-print-directory $$stage" || exit; \
	  echo "make $$stage: $$(($$(date +%s) - begun)) s"; \
	done
