//! Withdrawals a second through real processes, beside what the bare engine costs.
fn main() {}
