//! Writes to a store as fast as it can, from several threads, and says on its standard output what was acknowledged: what
//! the tests of power cuts compare with what is left. For tests only.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_tests::crash::exit("power_writer", holdfast_tests::power::write_for_ever())
}
