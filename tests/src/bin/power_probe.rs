//! Tells whether a power cut can be simulated here: exits with success, or says why not.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let directory = std::env::args().nth(1).unwrap_or_default();
    match holdfast_tests::power::probe(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
