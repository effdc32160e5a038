//! A score without the whole program: `cargo run --release -p holdfast-score --example score -- SEED CUSTOMERS ATTACKS SHIFT POLICY.toml...`.

use std::io::{Write, stdout};

use holdfast_policy::PolicyDocument;
use holdfast_score::Run;
use holdfast_traffic::{AttackKind, Parameters, Shift, Skill};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, customers, attacks, shift, files @ ..] = arguments.as_slice() else {
        return Err("see the first lines of this example".into());
    };
    let parameters = Parameters {
        customers: customers.parse()?,
        attacks_per_kind: attacks.parse()?,
        shift: Shift::parse(shift)?,
        ..Parameters::default()
    };
    let mut policies = Vec::new();
    for file in files {
        policies.push(PolicyDocument::parse(&std::fs::read_to_string(file)?)?);
    }
    let tallies = Run::new(parameters, seed.parse()?, policies).tallies(|_| {})?;
    let mut out = stdout().lock();
    for (file, tally) in files.iter().zip(&tallies) {
        writeln!(out, "seed {seed} {shift} {file}")?;
        writeln!(
            out,
            "customers {:?} {:.3} %, stepped up {:.2} %",
            tally.customers(),
            tally.customers().percent(),
            tally.customers_stepped_up().percent()
        )?;
        writeln!(
            out,
            "withdrawals {:.3} %, denied {:.3} %, stepped up {:.2} %",
            tally.withdrawals().percent(),
            tally.denied().percent(),
            tally.stepped_up().percent()
        )?;
        writeln!(out, "{:?}", tally.honest_reasons())?;
        for kind in AttackKind::ALL {
            let all = tally.kind(kind);
            let skills = [Skill::Careless, Skill::Average, Skill::Careful]
                .map(|skill| tally.kind_and_skill(kind, skill));
            writeln!(
                out,
                "{:<24} stopped {:6.2} held {:6.2} no loss {:6.2} | by skill {} | asked {:>9} lost {:>9} USD",
                kind.name(),
                all.stopped.percent(),
                all.held.percent(),
                all.nothing_lost.percent(),
                skills.map(|it| format!("{:5.1}/{:5.1}", it.stopped.percent(), it.held.percent())).join(" "),
                all.asked_usd_cents.checked_div(100).unwrap_or(0),
                all.lost_usd_cents.checked_div(100).unwrap_or(0),
            )?;
        }
    }
    Ok(())
}
