//! What was measured, as a table in Markdown and as JSON.

use serde_json::{Value, json};

use crate::measure::{Amounts, Measured, Run, number};

const HEAD: [&str; 10] = [
    "committee, engine",
    "withdrawals/s, one after another",
    "withdrawals/s, many at a time",
    "p50 ms, one after another",
    "p50 / p99 ms, many at a time",
    "CPU ms each, all processes (nodes)",
    "KiB between nodes each",
    "failed attempts",
    "key generation s, median (all)",
    "CPU s, KiB of a generation",
];

/// One row for each engine in each committee.
pub(crate) fn table(measured: &[Measured]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEAD.map(str::to_owned));
    text += &line(&["---"; HEAD.len()].map(str::to_owned));
    for measured in measured {
        text += &line(&row(measured));
    }
    text
}

fn row(measured: &Measured) -> [String; HEAD.len()] {
    let Measured { sequential, concurrent, .. } = measured;
    let all: Vec<String> = measured.keys_s.iter().map(|s| format!("{s:.2}")).collect();
    [
        format!("{}, `{}`", measured.committee, measured.engine),
        format!("{:.1}", sequential.per_second()),
        format!("{:.1}", concurrent.per_second()),
        format!("{:.0}", sequential.percentile_ms(50)),
        format!("{:.0} / {:.0}", concurrent.percentile_ms(50), concurrent.percentile_ms(99)),
        format!("{:.1} ({:.1})", concurrent.cpu_ms_each(), concurrent.nodes_cpu_ms_each()),
        format!("{:.1}", concurrent.bytes_each() / 1_024.0),
        format!("{}", sequential.failed_attempts + concurrent.failed_attempts),
        format!("{:.2} ({})", measured.key_s, all.join(", ")),
        format!("{:.1}, {:.0}", measured.key_cpu_s, number(measured.key_bytes) / 1_024.0),
    ]
}

pub(crate) fn json(measured: &[Measured], amounts: Amounts) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({
        "cores": cores,
        "optimised": !cfg!(debug_assertions),
        "clients": amounts.clients,
        "engines": measured.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(measured: &Measured) -> Value {
    json!({
        "engine": measured.engine,
        "committee": measured.committee,
        "one_after_another": run(&measured.sequential),
        "many_at_a_time": run(&measured.concurrent),
        "key_generation_s": {"median": measured.key_s, "all": measured.keys_s},
        "key_generation_cpu_s": measured.key_cpu_s,
        "key_generation_bytes_between_nodes": measured.key_bytes,
    })
}

fn run(run: &Run) -> Value {
    json!({
        "withdrawals": run.withdrawals,
        "per_second": run.per_second(),
        "latency_ms": {"p50": run.percentile_ms(50), "p99": run.percentile_ms(99)},
        "cpu_ms_per_withdrawal": run.cpu_ms_each(),
        "cpu_ms_per_withdrawal_nodes": run.nodes_cpu_ms_each(),
        "bytes_between_nodes_per_withdrawal": run.bytes_each(),
        "failed_attempts": run.failed_attempts,
    })
}
