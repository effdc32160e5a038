//! One line for each withdrawal of the evaluation: what every component of the score says, for fitting weights by other tools.
//! `cargo run --release -p holdfast-score --example components -- POLICY.toml SEED CUSTOMERS ATTACKS [SHIFT]`.

use std::io::{BufWriter, Write, stdout};

use holdfast_policy::{PolicyDocument, RuleKind};
use holdfast_score::Run;
use holdfast_traffic::{Event, Label, Parameters, Shift};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument =
        |at: usize| arguments.get(at).map(String::as_str).ok_or("see the first lines of this example");
    let document = PolicyDocument::parse(&std::fs::read_to_string(argument(0)?)?)?;
    let parameters = Parameters {
        customers: argument(2)?.parse()?,
        attacks_per_kind: argument(3)?.parse()?,
        shift: Shift::parse(argument(4).unwrap_or(""))?,
        ..Parameters::default()
    };
    let run = Run::new(parameters, argument(1)?.parse()?, vec![document]).paying_everything();
    let mut out = BufWriter::new(stdout().lock());
    let mut head = false;
    let _tallies = run.each(
        |_| {},
        |_, record, decision| {
            let Event::Withdrawal(request) = &record.event else { return };
            if !head {
                let codes = decision.risk.components.iter().map(|part| part.code.code());
                let _ = writeln!(
                    out,
                    "kind\tskill\tincident\tcustomer\tat\tcents\touter\t{}",
                    codes.collect::<Vec<_>>().join("\t")
                );
                head = true;
            }
            let (kind, skill, incident) = match record.label {
                Label::Honest(_) => ("honest", "-", 0),
                Label::Attack(it) => (it.kind.name(), it.skill.name(), it.number),
            };
            let outer: Vec<_> = decision
                .rules
                .iter()
                .filter(|rule| rule.verdict == holdfast_policy::Verdict::Hold && rule.kind != RuleKind::Hold)
                .map(|rule| rule.code.code())
                .collect();
            let points = decision.risk.components.iter().map(|part| part.contribution.to_string());
            let _ = writeln!(
                out,
                "{kind}\t{skill}\t{incident}\t{}\t{}\t{}\t{}\t{}",
                request.customer,
                record.at,
                request.usd_cents,
                outer.join(","),
                points.collect::<Vec<_>>().join("\t")
            );
        },
    )?;
    Ok(())
}
