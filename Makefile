# make        builds bin/sitebridge
# make demo   two sites on this machine, joined, cut and healed; needs no root
# make test   everything that must hold; installs what it needs on Debian
# make package  dist/*.deb for amd64 and arm64; VERSION=1.2.3 names another version
# make fuzz   each fuzz test for FUZZTIME (10m); what one finds stays in its testdata
# make bench  two daemons beside wireguard-go, tinc and OpenVPN; PART=tcp or hub runs one
# make flake  the namespace suite RUNS times (50), JOBS copies at once (2), until one fails;
#             RACE=0 leaves the race detector out
# make reliability  what each fault costs: writes the table of docs/reliability.md
# make soak   a hub and branches under traffic and faults for TIME (10m), to bin/soak.svg
# make reconnects  a thousand calls end under traffic, one after the other
#
# STRICT=1 makes a skipped test a failure, as in CI.

GO          ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
STRICT      ?=

.PHONY: all build demo test lint unit deps package bench fuzz flake reliability soak reconnects clean
all: build

build:
	$(GO) build -trimpath -o bin/sitebridge ./cmd/sitebridge

demo: build
	bin/sitebridge demo

test: deps lint unit

deps:
	test/deps

lint:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt: run gofmt -w on:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(STATICCHECK) ./...

# One run of everything: unit tests, namespace tests (in user namespaces of
# their own) and the tests against real peers (as root, in a guest).
unit: build
	STRICT=$(STRICT) GO=$(GO) test/run

package:
	GO=$(GO) VERSION=$(VERSION) packaging/package

fuzz:
	GO=$(GO) FUZZTIME=$(FUZZTIME) test/fuzz

flake:
	GO=$(GO) RUNS=$(RUNS) JOBS=$(JOBS) test/flake

reliability:
	FULL=1 REQUIRE_NETNS=1 LAB_NO_RACE=1 $(GO) test -count=1 -timeout 30m ./test/faults -parallel 6 -long -out ../../docs/reliability.md

soak:
	GO=$(GO) TIME=$(TIME) SEED=$(SEED) LAND=$(LAND) test/soak/run

reconnects:
	FULL=1 REQUIRE_NETNS=1 LAB_NO_RACE=1 $(GO) test -count=1 -timeout 60m -run '^TestReconnects$$' ./test/soak -reconnects 1000 -v

bench: build
	GO=$(GO) test/bench/run

clean:
	rm -rf bin dist
