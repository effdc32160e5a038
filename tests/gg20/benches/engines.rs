//! Whole clusters with each engine in one run, 2 of 3 and 3 of 5: what the choice of an engine costs.
//!
//! Prints a table, and writes `bench/engines.json`, `bench/engines.md` and `bench/engines.svg` into cargo's target directory.
//! Start it with `make bench-engines`: numbers of an unoptimised build say nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "engines/measure.rs"]
mod measure;
#[path = "engines/plot.rs"]
mod plot;
#[path = "engines/report.rs"]
mod report;

use holdfast_tests::{Cluster, Options, target_directory};

use measure::{Amounts, Measured};

/// Engines by the name that officers type.
const ENGINES: [&str; 2] = ["dkls23", "gg20"];
const COMMITTEES: [&str; 2] = ["2 of 3", "3 of 5"];

fn main() {
    let amounts = Amounts::from_environment();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let measured: Vec<Measured> = runtime.block_on(async {
        let mut measured = Vec::new();
        for committee in COMMITTEES {
            for engine in ENGINES {
                println!("measuring {engine}, {committee}");
                let cluster = started(engine, committee).await;
                measured.push(measure::engine(&cluster, engine, committee, amounts).await);
            }
        }
        measured
    });
    let directory = target_directory().join("bench");
    std::fs::create_dir_all(&directory).unwrap();
    let table = report::table(&measured);
    println!("{table}");
    for (file, text) in [
        ("engines.json", format!("{:#}\n", report::json(&measured, amounts))),
        ("engines.md", table),
        ("engines.svg", plot::svg(&measured)),
    ] {
        let path = directory.join(file);
        std::fs::write(&path, text).unwrap();
        println!("written to {}", path.display());
    }
}

/// The default engine runs in the default program: nothing of the other one may slow it down.
async fn started(engine: &str, committee: &str) -> Cluster {
    let options = Options::default();
    let cluster = match committee {
        "2 of 3" => Cluster::make(options),
        _ => Cluster::three_of_five(options),
    };
    match engine {
        "dkls23" => cluster.start_all().await,
        _ => cluster.start_all_with_gg20().await,
    }
    cluster
}
