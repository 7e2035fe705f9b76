# Targets a newcomer needs: demo, build, test. The rest is for those who change the code.
SHELL := /bin/bash
export CGO_ENABLED ?= 0
# One way of compiling for programs, tests and lint: what is compiled for one is there for the others. All go by the profile
# of the drainer (see pgo), as `go build ./cmd/drainer` does.
export GOFLAGS ?= -trimpath '-pgo=$(CURDIR)/cmd/drainer/default.pgo'
BIN   := $(CURDIR)/bin
PROGS := pumphouse pump drainer reparo arbiter binlogctl
# What pumphouse runs for `pumphouse demo` and `pumphouse pd`; no command of its own.
TRIALS := pumphouse-demo
UNIT  := ./internal/... ./nodes/... ./sqlext/... ./server/... ./binlogpb/... ./pump/... ./drainer/... ./cmd/...
LINT  := -modfile=testsuite/lint/go.mod
FUZZTIME ?= 20s

.PHONY: all build install demo test unit race lint fuzz mutate soak golangci bench bench-quick bench-compare pgo suite oracles deps docs clean \
	test-console test-pump test-drainer test-clients test-replication
all: build

build: ## build every program into bin/
	go build -o $(BIN)/ $(addprefix ./cmd/,$(PROGS) $(TRIALS))

# Where things go; DESTDIR is put before everything, for packages.
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
put = install -D -m 644 $(1) $(DESTDIR)$(2)

install: build ## programs, units, user and directories of the units, man pages, completions, samples (kept where there are files)
	install -d $(DESTDIR)$(PREFIX)/bin && install -m 755 $(addprefix $(BIN)/,$(PROGS) $(TRIALS)) $(DESTDIR)$(PREFIX)/bin/
	for u in pump drainer arbiter pumphouse; do sed 's,/usr/local/bin/,$(PREFIX)/bin/,; s,/etc/pumphouse/,$(SYSCONFDIR)/pumphouse/,' packaging/systemd/$$u.service | $(call put,/dev/stdin,$(PREFIX)/lib/systemd/system/$$u.service); done
	$(call put,packaging/sysusers/pumphouse.conf,$(PREFIX)/lib/sysusers.d/pumphouse.conf)
	$(call put,packaging/tmpfiles/pumphouse.conf,$(PREFIX)/lib/tmpfiles.d/pumphouse.conf)
	for m in packaging/man/*; do $(call put,$$m,$(PREFIX)/share/man/man$${m##*.}/$${m##*/}); done
	for c in $(PROGS); do $(call put,packaging/completion/$$c,$(PREFIX)/share/bash-completion/completions/$$c); done
	for f in packaging/prometheus/* packaging/grafana/*; do $(call put,$$f,$(PREFIX)/share/pumphouse/$${f##*/}); done
	install -d -m 750 $(DESTDIR)$(SYSCONFDIR)/pumphouse
	for c in packaging/etc/*.toml; do f=$(DESTDIR)$(SYSCONFDIR)/pumphouse/$${c##*/}; [ -e $$f ] || install -m 640 $$c $$f; done
	@[ -n "$(DESTDIR)" ] || echo "next: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload"

demo: build ## run the whole product on this machine; DOWNSTREAM=mysql://user:password@host:port replicates there
	$(BIN)/pumphouse demo $(DEMOFLAGS)

docs: build ## man pages, completions, sample configurations and docs/configuration.md, from the programs themselves
	go run ./packaging/gen

deps: ## what the tests need beside Go: MariaDB, MySQL clients and tools, Chromium, a real PD and TiDB, Kafka
	@testsuite/deps.sh

test: deps ## everything CI runs; STRICT=1 makes a skipped check a failure, PUMPHOUSE_SEED=n repeats a run
	@testsuite/counted.sh $(MAKE) --no-print-directory -j2 -Oline suite others

# The suite waits more than it computes: the others run beside it, one after the other.
.PHONY: others
others:
	@$(MAKE) --no-print-directory -j1 lint race oracles

# One area, with what it needs alone.
AREA  = @testsuite/deps.sh $(subst test-,,$@) && testsuite/counted.sh bash -ec
WHOLE = go test -count=1 -vet=off -p 3 -timeout 25m

test-console: build ## the console, binlogctl, nodes and packaging
	$(AREA) 'go test ./internal/... ./nodes/... ./sqlext/... ./server/... ./cmd/pumphouse ./cmd/binlogctl; \
		$(WHOLE) ./testsuite $(addprefix ./testsuite/,console engineoracle form packaging problems)'

test-pump: build ## the pump, and TiDB that writes to it
	$(AREA) 'go test ./internal/... ./nodes/... ./binlogpb/... ./pump/... ./cmd/pump; $(WHOLE) $(addprefix ./testsuite/,pump takeover tidbtest); $(WHOLE) -run Pump ./testsuite/durability'

test-drainer: build ## the drainer and its downstreams
	$(AREA) 'go test ./internal/... ./nodes/... ./binlogpb/... ./drainer/... ./cmd/drainer; \
		$(WHOLE) $(addprefix ./testsuite/,compare drainer filters kafka mysqlsink relaylog restore tidbmeta upstream); $(WHOLE) -run Drainer ./testsuite/durability'

test-clients: build ## MySQL clients and tools at the console
	$(AREA) '$(WHOLE) ./testsuite/clients ./testsuite/tools'

test-replication: build ## from TiDB through pumps and a drainer into a database
	$(AREA) '$(WHOLE) -v ./testsuite/replication'

unit: ## quick tests, no set-up
	go test $(UNIT)

race: ## the same, with the race detector where goroutines are started (vet is lint's)
	CGO_ENABLED=1 go test -race -vet=off -timeout 25m $$(testsuite/raced.sh)
	go test -vet=off $$(testsuite/raced.sh others)

# The longest package comes first, so that the others run beside it.
suite: build ## the whole thing against real PD, TiDB, MariaDB and real clients, short form
	go test -count=1 -vet=off -p 3 -timeout 1h ./testsuite/replication ./testsuite/...

oracles: build ## comparisons with other people's implementations, in modules of their own; Kubernetes' types; 100,000 DDL jobs
	cd testsuite/sqloracle && go test ./...
	cd testsuite/tipboracle && go test ./...
	cd testsuite/manifests && go test ./...
	go test -run Oracle ./drainer/txn -rows 20000
	go test -run Oracle ./drainer/handover -filters 300
	go test -run LongHistory ./drainer/schema -jobs 100000

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go tool $(LINT) staticcheck ./...
	go tool $(LINT) misspell -error $$(git ls-files '*.go' '*.md')
	@f=$$(go tool $(LINT) gci list --skip-generated -s standard -s default -s localmodule $$(git ls-files '*.go')); \
		test -z "$$f" || { echo "imports are in other groups than standard library, others, ours:"; echo "$$f"; exit 1; }

golangci: ## more linters than lint has (.golangci.yml); its first build takes 3 minutes of CPU
	go tool -modfile=testsuite/lint/golangci/go.mod golangci-lint run ./...

fuzz: ## every fuzz target for FUZZTIME each
	testsuite/fuzz.sh $(FUZZTIME)

mutate: deps ## break the product in 370 places, one at a time, and see that tests notice; MUTATEFLAGS=-slice=1/8 for a part
	go run ./testsuite/mutations $(MUTATEFLAGS)

soak: build deps golangci ## the long forms: the suite under the race detector, 1,000,000 texts and rows, 200 kills of pumps, 102 of TiDB, 30 minutes of faults, 10 of abuse, fuzzing, mutations, the suite on a busy machine
	cd testsuite/sqloracle && go test -count=1 -timeout 120m ./... -texts 1000000
	PUMPHOUSE_SOAK=1 go test -count=1 -timeout 60m ./pump/storage
	go test -count=1 -timeout 60m -run Oracle ./drainer/txn -rows 1000000
	go test -count=1 -run Oracle ./drainer/handover -filters 20000
	PUMPHOUSE_SOAK=1 PUMPHOUSE_ORACLE_QUERIES=200000 go test -count=1 -p 1 -timeout 180m -v ./testsuite/...
	PUMPHOUSE_RACE=1 CGO_ENABLED=1 go test -race -count=1 -p 1 -vet=off -timeout 60m ./testsuite/...
	testsuite/fuzz.sh 2m
	$(MAKE) mutate
	testsuite/underload.sh

bench: build ## all figures for BENCHMARKS.md; BENCHFLAGS='-json FILE' keeps them
	go run ./testsuite/bench $(BENCHFLAGS)

bench-quick: build ## the ten figures that matter, with their ratios; BENCHFLAGS='-json FILE' keeps them
	go run ./testsuite/bench -quick $(BENCHFLAGS)

bench-compare: ## what differs between A=FILE and B=FILE, each with four runs or more, made in turns
	go run ./testsuite/bench compare $(A) $(B)

pgo: build ## the profile by which the drainer is compiled, from loads into MariaDB; its figures are in BENCHMARKS.md
	d=$$(mktemp -d) && go run ./testsuite/bench -only drainer -part distance -cells '^(inserts|updates|deletes|all three, 8 tables)$$' -one-way 0s -txns 400000 -rounds 2 -profiles $$d && \
		go tool pprof -proto -output=cmd/drainer/default.pgo $$d/*.prof && rm -r $$d

clean:
	rm -rf bin .cache
