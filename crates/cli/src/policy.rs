//! `holdfast policy`: the policy in force, the ceremony that replaces it, and what-if tools for the people who approve it.

mod backtest;
mod check;
mod diff;
mod explain;
pub(crate) mod judge;
mod score;
mod test;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use holdfast_ledger::{State, StatementBody};
use holdfast_policy::{PolicyDocument, PolicyHash};
use holdfast_proto::v1;
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use serde_json::json;

use crate::ceremony;
use crate::failure::Failure;
use crate::files;
use crate::output::{Answer, Output};
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::{Expiring, Signing};

/// Read the policy, and propose another
#[derive(Subcommand, Debug)]
pub(crate) enum PolicyCommand {
    /// Show the policy in force and every one before it, from the log
    Show,
    /// Upload a document and propose to put it in force
    Propose(ProposeArgs),
    /// Find rules that never speak, contradict each other or give more than they seem to; needs no cluster
    Check(check::CheckArgs),
    /// Run cases from a file through a policy; needs no cluster
    Test(test::TestArgs),
    /// Show what differs between two policies by meaning, and whether it tightens or loosens; needs no cluster
    Diff(diff::DiffArgs),
    /// Replay a log and show which past decisions another policy would have turned
    Backtest(backtest::BacktestArgs),
    /// Say in plain words what a policy says, or what it says about a withdrawal
    Explain(explain::ExplainArgs),
    /// Measure on synthetic customers and thieves how well a policy tells them apart; needs no cluster
    Score(score::ScoreArgs),
}

/// A proposal.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProposeArgs {
    /// The document, TOML
    file: PathBuf,
    #[command(flatten)]
    signing: Expiring,
}

pub(crate) async fn run(profile: &Path, output: Output, command: &PolicyCommand) -> Result<Answer, Failure> {
    let session = || Session::open(profile, output);
    match command {
        PolicyCommand::Show => Ok(shown(&replica::download(&session()?).await?)),
        PolicyCommand::Propose(args) => Box::pin(propose(&session()?, args)).await,
        PolicyCommand::Check(args) => check::run(profile, output, args).await,
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Diff(args) => diff::run(args),
        PolicyCommand::Backtest(args) => Box::pin(backtest::run(profile, output, args)).await,
        PolicyCommand::Explain(args) => Box::pin(explain::run(profile, output, args)).await,
        PolicyCommand::Score(args) => score::run(output, args),
    }
}

/// A document from a file.
fn read(file: &Path) -> Result<PolicyDocument, Failure> {
    PolicyDocument::parse(&files::read_text(file)?).map_err(|error| Failure::policy(file, &error))
}

fn shown(replica: &LocalReplica) -> Answer {
    let state = replica.state();
    let waiting: Vec<_> = state.uploaded_policies().iter().map(|upload| upload.document.hash()).collect();
    let versions: Vec<_> = state.policies().collect();
    let json = json!({
        "version": state.policy_version(),
        "sha256": state.policy_digest(),
        "document": state.policy().source(),
        "versions": versions,
        "waiting": waiting,
    });
    let lines: String = versions
        .iter()
        .map(|record| {
            let by = record.ceremony.map_or_else(|| "genesis".to_owned(), |ceremony| ceremony.to_string());
            format!("  {} {} from tree size {} by {by}\n", record.version, record.hash, record.in_force_from)
        })
        .collect();
    let text = format!("{}\nversions:\n{lines}({})", state.policy().source(), replica.provenance());
    Answer::new(json, text)
}

/// What officers will sign names the hash of the very bytes that were read here.
async fn propose(session: &Session, args: &ProposeArgs) -> Result<Answer, Failure> {
    let document = read(&args.file)?;
    let mut replica = replica::download(session).await?;
    let signing = args.signing.signing();
    if !waits(replica.state(), &document.hash()) {
        replica = upload(session, &signing, document.source().to_owned(), &document.hash()).await?;
    }
    // A statement that was signed elsewhere is about the log as it was when it was written.
    let size = match signing.signed_before(session)? {
        Some(StatementBody::ProposePolicy(before)) => before.backtest.size,
        Some(_) | None => replica.state().size(),
    };
    let backtest = backtest::live(session, &document, size).await?;
    session.output.line(&backtest::text(&backtest));
    let proposal = replica.state().policy_proposal(&document.hash(), backtest.claim())?;
    let body = StatementBody::ProposePolicy(proposal);
    ceremony::propose(session, &signing, &replica, body).await
}

async fn upload(
    session: &Session,
    signing: &Signing,
    toml: String,
    hash: &PolicyHash,
) -> Result<LocalReplica, Failure> {
    let channel = session.coordinator(&signing.who(session)?).await?;
    CeremonyServiceClient::new(channel).upload_policy(v1::UploadPolicyRequest { toml }).await?;
    let missing = "the coordinator took the policy, but its log does not show it";
    replica::download_until(session, missing, |state| waits(state, hash)).await
}

fn waits(state: &State, hash: &PolicyHash) -> bool {
    state.uploaded_policies().iter().any(|upload| upload.document.hash() == *hash)
}
