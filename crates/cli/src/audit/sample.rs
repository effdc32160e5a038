//! `holdfast audit sample`: N random withdrawals of a period, drawn so that anybody can draw them again.

use std::path::Path;

use clap::Args;
use holdfast_audit::{Interest, METHOD, Sampler};
use holdfast_policy::TimestampMs;
use serde_json::json;

use super::period::PeriodArgs;
use super::replayed::{LogArgs, replay};
use super::rows::{Row, RowArgs, Rows};
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// How many, of which, by which seed.
#[derive(Args, Clone, Debug)]
pub(crate) struct SampleArgs {
    /// Seed: any text. Agree on it before anybody knows the withdrawals, for example tomorrow's closing price
    #[arg(long)]
    seed: String,
    /// How many withdrawals
    #[arg(long, default_value_t = 25)]
    count: usize,
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    pub(crate) rows: RowArgs,
}

pub(crate) async fn run(profile: &Path, output: Output, args: &SampleArgs) -> Result<Answer, Failure> {
    if args.seed.is_empty() || args.seed.chars().any(char::is_control) {
        return Err(Failure::usage("`--seed` must be text without control characters"));
    }
    let mut rows = Rows::begin(output, args.rows, &["withdrawal", "rank", "index", "time"])?;
    let mut sampler = Sampler::new(args.period.start(), args.period.end());
    replay(profile, output, &args.log, Interest::Nothing, &mut |event| sampler.watch(event)).await?;
    let sample = sampler.draw(&args.seed, args.count);
    rows.remark(&format!(
        "seed `{}`\nmethod: {METHOD}\npopulation: {} withdrawals, SHA-256 of their sorted ids, a line each: {}",
        sample.seed, sample.population, sample.population_sha256
    ));
    for drawn in &sample.drawn {
        let time = TimestampMs(drawn.time_ms).to_string();
        let mut json = json!(drawn);
        if let Some(object) = json.as_object_mut() {
            object.insert("seed".to_owned(), json!(sample.seed));
            object.insert("method".to_owned(), json!(sample.method));
            object.insert("population".to_owned(), json!(sample.population));
            object.insert("population_sha256".to_owned(), json!(sample.population_sha256));
        }
        let text = format!("  {}  entry {:>8}  {time}", drawn.withdrawal, drawn.index);
        let cells = [drawn.withdrawal.clone(), drawn.rank.clone(), drawn.index.to_string(), time];
        rows.push(&Row { json: &json, cells: &cells, text: &text });
    }
    Ok(rows.finish())
}
