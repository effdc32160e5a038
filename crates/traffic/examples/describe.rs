//! Prints what is in a stream: `cargo run --release -p holdfast-traffic --example describe -- --seed 1`.
//!
//! `--customers N`, `--attacks N` (of each kind), `--history DAYS`, `--days DAYS` (of evaluation), `--shift TEXT`, and
//! `--print N` for the first N records of the evaluation.

use std::io::{Write, stdout};

use holdfast_traffic::{Parameters, Shift, Summary, Traffic};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut parameters = Parameters::default();
    let (mut seed, mut print) = (1_u64, 0_u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        match name.as_str() {
            "--seed" => seed = value.parse()?,
            "--print" => print = value.parse()?,
            "--customers" => parameters.customers = value.parse()?,
            "--attacks" => parameters.attacks_per_kind = value.parse()?,
            "--history" => parameters.history_days = value.parse()?,
            "--days" => parameters.evaluation_days = value.parse()?,
            "--shift" => parameters.shift = Shift::parse(&value)?,
            _ => return Err(format!("unknown argument `{name}`; see the first lines of this example").into()),
        }
    }
    let mut out = stdout().lock();
    let begin = parameters.evaluation_start();
    let mut summary = Summary::new(begin);
    for record in Traffic::new(parameters, seed)? {
        summary.add(&record);
        if print > 0 && record.at >= begin {
            print = print.saturating_sub(1);
            writeln!(out, "{record}")?;
        }
    }
    writeln!(out, "seed {seed}")?;
    write!(out, "{summary}")?;
    Ok(())
}
