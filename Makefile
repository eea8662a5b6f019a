# make demo    three receivers that lose packets, a sender and a file, on this one host; no privilege needed
# make test    everything that can be checked here; as root it installs the Debian packages that some tests need
# make build   the programs, into bin/
# make bench   the benchmarks of the packages (BENCH=regexp)
# make fuzz    every fuzz target for FUZZTIME
# make interop every combination with OpenPGM and ZeroMQ, between network namespaces; root
# make lab     throughput between network namespaces; root (LAB="flags": make lab LAB=--help)
# make mutants mistakes seeded in the engines, each of which a rule or a test must catch; minutes (MUTANTS=flags)
# make clean   what these made

GO ?= go
BENCH ?= .
FUZZTIME ?= 30s
LAB ?=
MUTANTS ?= --rewrite

.PHONY: build demo test bench fuzz interop lab mutants clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

demo: build
	GO='$(GO)' sh scripts/demo.sh

test:
	GO='$(GO)' sh scripts/test.sh

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

fuzz:
	GO='$(GO)' FUZZTIME='$(FUZZTIME)' sh scripts/fuzz.sh

interop:
	GOPGM_INTEROP=full $(GO) test -count=1 -v ./conformance/interop

lab:
	$(GO) run ./internal/lab $(LAB)

mutants:
	$(GO) run ./internal/mutants $(MUTANTS)

clean:
	rm -rf bin
