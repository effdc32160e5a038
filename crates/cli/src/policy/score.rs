//! `holdfast policy score`: synthetic customers and thieves through the evaluation that nodes run, beside a policy of limits alone.

use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use holdfast_policy::PolicyDocument;
use holdfast_score::{KindTally, Run, Share, Tally};
use holdfast_traffic::{AttackKind, Parameters, Shift};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::{Answer, Output};

/// The policy of limits alone that every score stands beside.
const BASELINE: &str = include_str!("../../../policy/fixtures/limits-only-policy.toml");

const HELP: &str = "\
A generated exchange of honest customers and labelled attacks (docs/traffic.md) goes through the policy, and through a policy of
limits alone for comparison. 120 days teach what is usual; the 30 days after them count. Nothing is sent anywhere.

  honest     customers who withdrew, and those of them of whom anything was held or denied, with Wilson's 95 % interval
  stepped up an inconvenience, not a hold: the customer proves who it is and goes on; counted apart
  stopped    incidents held or denied, or asked for a proof of identity that the thief does not have, before half of their money left;
             accomplices, deceived customers and deepfakes are taken to pass every step-up
  held       the same by holds and denials alone
  no loss    incidents in which nothing left
  lost       US dollars that left, if nobody reacts to what was stopped

Attacks are oversampled: compare rates within a row, not rows. Wallets, clients and assets are the generator's: hot-1, warm-1 and
cold-1; pipeline-web, pipeline-api and pipeline-desk; ETH, USDT, USDC and WBTC on chain 1.

  holdfast policy score --generate 1 policy.toml
  holdfast policy score --generate 1 --customers 10000 --attacks 100 policy.toml       a quick look
  holdfast policy score --generate 1 --shift preset=skilled-attackers policy.toml      as life changes

Exit code 0 whatever the score is; `--max-honest 1.0` and `--min-stopped 95` turn a miss into exit code 8.";

/// Which policy, on which stream.
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct ScoreArgs {
    /// The document, TOML
    policy: PathBuf,
    /// The seed: the same seed and policy give the same score on every machine
    #[arg(long, value_name = "SEED")]
    generate: u64,
    /// How the 30 days differ from what the history teaches, such as `amounts=1.5,resets=2x` or `preset=holidays`
    #[arg(long, default_value = "", hide_default_value = true)]
    shift: String,
    /// Honest customers
    #[arg(long, default_value_t = Parameters::default().customers)]
    customers: u32,
    /// Incidents of each kind
    #[arg(long, default_value_t = Parameters::default().attacks_per_kind)]
    attacks: u32,
    /// Fail if a larger share of honest customers is held or denied, in percent
    #[arg(long, value_name = "PERCENT")]
    max_honest: Option<f64>,
    /// Fail if a smaller share of any kind of attack is stopped, in percent
    #[arg(long, value_name = "PERCENT")]
    min_stopped: Option<f64>,
}

pub(super) fn run(output: Output, args: &ScoreArgs) -> Result<Answer, Failure> {
    let document = super::read(&args.policy)?;
    let usage = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let baseline = PolicyDocument::parse(BASELINE).map_err(|error| usage(&error))?;
    let parameters = Parameters {
        customers: args.customers,
        attacks_per_kind: args.attacks,
        shift: Shift::parse(&args.shift).map_err(|error| usage(&error))?,
        ..Parameters::default()
    };
    let bar = output.bar(100, "percent of the stream");
    let run = Run::new(parameters, args.generate, vec![document.clone(), baseline]);
    let tallies =
        run.tallies(|progress| bar.set_position(progress.percent)).map_err(|error| usage(&error))?;
    bar.finish_and_clear();
    let [tally, limits] = tallies.as_slice() else {
        return Err(Failure::other("SCORE_INCOMPLETE", "a policy has no score"));
    };
    let misses = misses(args, tally);
    let json = json!({
        "sha256": document.hash(),
        "seed": args.generate,
        "shift": args.shift,
        "customers": args.customers,
        "attacks_of_each_kind": args.attacks,
        "policy": whole(tally),
        "limits_only": whole(limits),
        "misses": misses,
    });
    let exit = if misses.is_empty() { Exit::Success } else { Exit::Alarm };
    Ok(Answer::new(json, page(args, tally, limits, &misses)).with_exit(exit))
}

fn misses(args: &ScoreArgs, tally: &Tally) -> Vec<String> {
    let honest = tally.customers().percent();
    let too_many = args.max_honest.filter(|most| honest > *most);
    let mut misses: Vec<_> = too_many
        .map(|most| format!("{honest:.2} % of honest customers, at most {most} %"))
        .into_iter()
        .collect();
    let Some(least) = args.min_stopped else { return misses };
    for kind in AttackKind::ALL {
        let stopped = tally.kind(kind).stopped.percent();
        if stopped < least {
            misses.push(format!("{}: {stopped:.1} % stopped, at least {least} %", kind.name()));
        }
    }
    misses
}

fn page(args: &ScoreArgs, tally: &Tally, limits: &Tally, misses: &[String]) -> String {
    let shift = if args.shift.is_empty() { "no shift" } else { &args.shift };
    let head = format!(
        "seed {}, {} customers, {} incidents of each kind, {shift}\n\n",
        args.generate, args.customers, args.attacks
    );
    let mut honest = Table::new();
    honest.load_preset(presets::NOTHING);
    honest.set_header([
        "honest",
        "of",
        "held or denied",
        "95 % interval",
        "limits only",
        "stepped up",
        "limits only",
    ]);
    honest.add_row(honest_row(
        "customers",
        tally.customers(),
        limits.customers(),
        tally.customers_stepped_up(),
        limits.customers_stepped_up(),
    ));
    honest.add_row(honest_row(
        "withdrawals",
        tally.withdrawals(),
        limits.withdrawals(),
        tally.stepped_up(),
        limits.stepped_up(),
    ));
    let mut attacks = Table::new();
    attacks.load_preset(presets::NOTHING);
    attacks.set_header([
        "attack",
        "incidents",
        "stopped",
        "95 % interval",
        "held",
        "no loss",
        "lost",
        "of asked",
        "limits only",
        "lost",
    ]);
    for kind in AttackKind::ALL {
        attacks.add_row(attack_row(kind, &tally.kind(kind), &limits.kind(kind)));
    }
    for table in [&mut honest, &mut attacks] {
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    }
    let missed: String = misses.iter().map(|miss| format!("\nmissed: {miss}")).collect();
    format!("{head}{honest}\n\n{attacks}\n{missed}")
}

fn honest_row(
    name: &str,
    stopped: Share,
    limits: Share,
    stepped: Share,
    limits_stepped: Share,
) -> [String; 7] {
    [
        name.to_owned(),
        stopped.of.to_string(),
        percent(stopped),
        interval(stopped),
        percent(limits),
        percent(stepped),
        percent(limits_stepped),
    ]
}

fn attack_row(kind: AttackKind, tally: &KindTally, limits: &KindTally) -> [String; 10] {
    [
        kind.name().to_owned(),
        tally.stopped.of.to_string(),
        percent(tally.stopped),
        interval(tally.stopped),
        percent(tally.held),
        percent(tally.nothing_lost),
        dollars(tally.lost_usd_cents),
        dollars(tally.asked_usd_cents),
        percent(limits.stopped),
        dollars(limits.lost_usd_cents),
    ]
}

fn percent(share: Share) -> String {
    format!("{:.2} %", share.percent())
}

fn interval(share: Share) -> String {
    let (low, high) = share.interval();
    format!("{low:.2} to {high:.2}")
}

fn dollars(cents: u128) -> String {
    let digits = cents.checked_div(100).unwrap_or(0).to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn whole(tally: &Tally) -> Value {
    let kinds: serde_json::Map<String, Value> =
        AttackKind::ALL.into_iter().map(|kind| (kind.name().to_owned(), attack(&tally.kind(kind)))).collect();
    let reasons: serde_json::Map<String, Value> =
        tally.honest_reasons().iter().map(|(code, count)| (code.code().to_owned(), json!(count))).collect();
    json!({
        "honest_customers": share(tally.customers()),
        "honest_customers_stepped_up": share(tally.customers_stepped_up()),
        "honest_withdrawals": share(tally.withdrawals()),
        "honest_withdrawals_denied": share(tally.denied()),
        "honest_withdrawals_stepped_up": share(tally.stepped_up()),
        "behind_honest_holds": reasons,
        "attacks": kinds,
    })
}

fn attack(tally: &KindTally) -> Value {
    json!({
        "stopped": share(tally.stopped),
        "nothing_lost": share(tally.nothing_lost),
        "noticed": share(tally.noticed),
        "held": share(tally.held),
        "asked_usd_cents": tally.asked_usd_cents,
        "lost_usd_cents": tally.lost_usd_cents,
        "lost_before_notice_usd_cents": tally.lost_before_notice_usd_cents,
    })
}

fn share(share: Share) -> Value {
    let (low, high) = share.interval();
    json!({ "part": share.part, "of": share.of, "percent": share.percent(), "low": low, "high": high })
}
