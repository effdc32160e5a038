# The two commands of the README are `make demo` and `make test`; both install the Debian packages they miss and say so.
CARGO ?= cargo
# A test of whole clusters waits for its processes half of the time.
export RUST_TEST_THREADS ?= $(shell expr 2 '*' $$(nproc))

.PHONY: demo test test-long lint bench bench-engines bench-log build packages deny mutants

demo: packages build ## a whole cell on loopback: watch a withdrawal signed and thefts refused
	@"$$(scripts/target-dir)"/debug/holdfast demo

test: packages lint build ## everything CI runs: lints, unit tests, real processes, the Python client
	$(CARGO) test --workspace --locked
	# The second engine. A program with the feature never lies where the default ones do: it has another name.
	$(CARGO) test --locked -p holdfast-node --features gg20 --lib -- engines
	$(CARGO) test --locked -p holdfast-tests-gg20 --features gg20

test-long: packages build ## the long forms: a kill at every point of every flow, more power cuts, seeds and cases
	HOLDFAST_LONG_TESTS=1 PROPTEST_CASES=4096 $(CARGO) test --workspace --locked
	HOLDFAST_LONG_TESTS=1 $(CARGO) test --locked -p holdfast-tests-gg20 --features gg20 --test migration

lint: ## formatting and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p holdfast-node -p holdfast-tests-gg20 --features gg20 --all-targets --locked -- -D warnings

bench: packages ## withdrawals a second through real processes beside the bare engine's cost
	$(CARGO) build --release --locked --bins
	$(CARGO) bench --locked -p holdfast-tests --bench withdrawals

bench-engines: packages ## whole clusters with each engine in one run, 2 of 3 and 3 of 5: a table and a plot
	$(CARGO) build --release --locked --bins
	$(CARGO) build --release --locked -p holdfast-tests-gg20 --features gg20 --bins
	$(CARGO) bench --locked -p holdfast-tests-gg20 --features gg20 --bench engines

bench-log: packages ## a million-entry log: verified beside its signatures alone, starts of node and coordinator, memory
	$(CARGO) bench --locked -p holdfast-audit --bench million
	$(CARGO) build --release --locked -p holdfast-node -p holdfast-coordinator --bins
	$(CARGO) bench --locked -p holdfast-tests --bench restart

build:
	$(CARGO) build --workspace --bins --locked

packages:
	@scripts/install-packages

mutants: ## removes one check at a time in guard, replica and state machine: which do the tests notice?
	@scripts/mutants

deny: ## licences and banned crates; needs `cargo install cargo-deny`
	$(CARGO) deny --all-features check bans licenses sources
