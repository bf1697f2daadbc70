# Rollcall. `make run` builds and starts a server to try out; `make test` runs every test.

CARGO ?= cargo
HAS_WEB := $(wildcard web/package.json)
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' 2>/dev/null)

.PHONY: help run test check lint web web-test browser-test smack bench bench-compare bench-instructions bench-profile bench-table bench-tools bench-scale bench-growth crowd-tools clean

help:
	@echo 'make run     build the server and its web client, and start it with config/dev.toml'
	@echo 'make check   formatting, lints and unit tests: the quick look before a commit'
	@echo 'make test    everything: lints, unit, server, interoperability and browser tests'
	@echo 'make smack   the integration tests of Smack, an XMPP library, against the server'
	@echo 'make web     build the web client into web/dist'
	@echo 'make bench   measure the server and its peers; see tests/bench/README.md for this and more'
	@echo 'make clean   remove what was built (not the data folder)'

run: web
	$(CARGO) run --quiet -- serve --config config/dev.toml

web: $(if $(HAS_WEB),web/dist/index.html)

web/dist/index.html: $(WEB_SOURCES)
	scripts/setup build
	cd web && npm run --silent build
	@touch $@

check: web
	$(CARGO) fmt --check
	$(CARGO) clippy --quiet --all-targets -- -D warnings
	$(CARGO) test --quiet --lib

lint: web
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/bench/Cargo.toml
	$(CARGO) clippy --quiet --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --document-private-items
	scripts/check-python

web-test: web
ifneq ($(HAS_WEB),)
	cd web && npm run --silent --if-present lint
	cd web && npm run --silent --if-present check
	cd web && npm run --silent --if-present test
endif

# Only the page in Chromium, each test file with a server of its own; `make test` has it too.
browser-test: web
	$(CARGO) build --quiet
	cd tests/browser && npm run --silent test </dev/null

# The tests that drive other programs (slixmpp, Smack, SIPp, baresip, Chromium) are in the one integration
# binary too. The cheap steps come first, so that most mistakes show early.
test:
	scripts/setup test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory web-test
	$(CARGO) test --no-fail-fast

# Only Smack's own integration tests against the server, a minute; `make test` has them too. tests/interop/smack says which
# are not run, and why.
smack: web
	scripts/setup smack
	$(CARGO) build --quiet
	tests/interop/smack/run target/debug/rollcall

# ONLY='chat w4, message*' PEERS='rollcall prosody' RUNS=1 choose; tests/bench/README.md explains.
bench: web bench-tools
	$(CARGO) build --release
	tests/bench/run

# A=BINARY B=BINARY, run in turn: did a change pay?
bench-compare: bench-tools
	tests/bench/compare '$(A)' '$(B)'

# Did a change make the code longer? ACCEPT=1 says that it may.
bench-instructions: web bench-tools
	$(CARGO) build --quiet --profile count --bin rollcall --bench instructions
	tests/bench/count

# Where the server's time goes in every scenario; bench-table takes it along.
bench-profile: bench-tools
	$(CARGO) build --release
	tests/bench/profile

# 100,000 sessions and registrations, held and used.
bench-scale: crowd-tools
	tests/bench/crowd/scale

# Cost per operation as accounts, contacts, archive, sessions and registrations grow: docs/growth.svg.
bench-growth: crowd-tools
	tests/bench/crowd/growth

crowd-tools: web
	scripts/setup crowd
	$(CARGO) build --quiet --release --bin rollcall --example fill
	$(CARGO) build --quiet --release --manifest-path tests/bench/Cargo.toml

# Puts the last table and chart into docs/ and README.md.
bench-table:
	tests/bench/table

bench-tools:
	scripts/setup bench
	$(CARGO) build --quiet --release --manifest-path tests/bench/Cargo.toml

clean:
	$(CARGO) clean
	rm -rf web/dist web/node_modules tests/browser/node_modules tests/interop/web/node_modules tests/bench/target .venv
