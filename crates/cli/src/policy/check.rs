//! `holdfast policy check`: what is questionable about a document.

use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_audit::Interest;
use holdfast_ledger::Genesis;
use holdfast_policy::{KnownParties, LintCode, NamedParties, PolicyFinding, Severity, lint};
use serde_json::{Value, json};

use crate::audit::LogArgs;
use crate::failure::{Exit, Failure};
use crate::output::{Answer, Output};
use crate::{audit, files};

/// Which document, and against what.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// The document, TOML
    file: PathBuf,
    /// Look names up in this genesis document: officers' roles, clients, providers, assets, lists
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    genesis: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Findings with this code are known and shall not fail the check
    #[arg(long, value_name = "CODE", value_parser = code)]
    accept: Vec<LintCode>,
}

fn code(text: &str) -> Result<LintCode, String> {
    let known = LintCode::ALL.iter().copied().find(|code| code.code() == text);
    known.ok_or_else(|| "unknown code; `docs/policy.md` lists them".to_owned())
}

pub(super) async fn run(profile: &Path, output: Output, args: &CheckArgs) -> Result<Answer, Failure> {
    let document = super::read(&args.file)?;
    let known = known(profile, output, args).await?;
    let findings = lint(&document, known.as_ref());
    let fails = |finding: &&PolicyFinding| {
        finding.severity() > Severity::Notice && !args.accept.contains(&finding.code)
    };
    let failing = findings.iter().filter(fails).count();
    let rows: Vec<_> = findings.iter().map(row).collect();
    let unknown = KnownParties::leave_unknown(known.as_ref(), NamedParties::of(&document));
    let json = json!({
        "sha256": document.hash(),
        "findings": rows,
        "failing": failing,
        "not_looked_up": unknown,
    });
    let exit = if failing == 0 { Exit::Success } else { Exit::Alarm };
    let text =
        format!("{}{}", text(&args.file, &findings, failing), not_looked_up(&unknown, known.is_some()));
    Ok(Answer::new(json, text).with_exit(exit))
}

/// What passed only because nothing said which names there are. A misspelt role is a role that nobody has: its holds end by time.
fn not_looked_up(unknown: &NamedParties, with_genesis: bool) -> String {
    let NamedParties { roles, clients, providers, wallets, assets, lists } = unknown;
    let kinds = [
        ("roles", listed(roles.iter())),
        ("clients", listed(clients.iter())),
        ("providers", listed(providers.iter())),
        ("wallets", listed(wallets.iter())),
        ("assets", listed(assets.iter())),
        ("screening lists", listed(lists.iter())),
    ];
    let named = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let named: Vec<_> = named.map(|(kind, names)| format!("{kind} {names}")).collect();
    let next = match with_genesis {
        true => "a genesis has no wallets yet: `--log EXPORT` looks them up in a cell that runs",
        false => {
            "`--genesis FILE` looks them up in a cell that is being set up, `--log EXPORT` in one that runs"
        }
    };
    match named.is_empty() {
        true => String::new(),
        false => {
            format!("\nnot looked up, a misspelt one is not found: {}\n    next: {next}", named.join("; "))
        }
    }
}

fn listed(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

async fn known(profile: &Path, output: Output, args: &CheckArgs) -> Result<Option<KnownParties>, Failure> {
    if let Some(path) = &args.genesis {
        let genesis = Genesis::from_document(&files::read(path)?).map_err(|error| {
            Failure::new(Exit::Usage, "GENESIS_INVALID", format!("`{}`: {error}", path.display()))
        })?;
        return Ok(Some(genesis.known_parties()));
    }
    if args.log.log.is_none() {
        return Ok(None);
    }
    let history = audit::replay(profile, output, &args.log, Interest::Nothing, &mut |_| {}).await?;
    Ok(Some(history.state().known_parties()))
}

fn row(finding: &PolicyFinding) -> Value {
    json!({
        "code": finding.code,
        "severity": finding.severity(),
        "line": finding.line,
        "rule": finding.rule,
        "sentence": finding.sentence,
        "about": finding.code.about(),
        "next": finding.code.advice(),
    })
}

fn text(file: &Path, findings: &[PolicyFinding], failing: usize) -> String {
    let file = file.display();
    let lines = findings.iter().map(|finding| {
        let rule = finding.rule.as_ref().map_or_else(String::new, |rule| format!(" rule `{rule}`:"));
        format!(
            "{file}:{}: {} {}:{rule} {}\n    next: {}\n",
            finding.line,
            finding.severity().name(),
            finding.code.code(),
            finding.sentence,
            finding.code.advice()
        )
    });
    let lines: String = lines.collect();
    let sum = match (findings.len(), failing) {
        (0, _) => "nothing questionable".to_owned(),
        (all, 0) => format!("{all} findings, none that fails the check"),
        (all, failing) => format!("{all} findings, {failing} of them fail the check"),
    };
    format!("{lines}{sum}")
}
