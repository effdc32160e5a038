//! `holdfast policy`: the policy in force, and the ceremony that replaces it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdfast_ledger::{PolicyProposal, State, StatementBody};
use holdfast_policy::{PolicyDocument, PolicyHash};
use holdfast_proto::v1;
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use serde_json::json;

use crate::ceremony;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Answer;
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::Signing;

/// Read the policy, and propose another
#[derive(Subcommand, Debug)]
pub(crate) enum PolicyCommand {
    /// Show the policy in force and every one before it, from the log
    Show,
    /// Upload a document and propose to put it in force
    Propose(ProposeArgs),
}

/// A proposal.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProposeArgs {
    /// The document, TOML
    file: PathBuf,
    #[command(flatten)]
    signing: Signing,
}

pub(crate) async fn run(session: &Session, command: &PolicyCommand) -> Result<Answer, Failure> {
    match command {
        PolicyCommand::Show => Ok(shown(&replica::download(session).await?)),
        PolicyCommand::Propose(args) => propose(session, args).await,
    }
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
    let toml = files::read_text(&args.file)?;
    let document = PolicyDocument::parse(&toml).map_err(|error| {
        Failure::new(Exit::Usage, "POLICY_INVALID", format!("`{}`: {error}", args.file.display()))
    })?;
    let mut replica = replica::download(session).await?;
    if !waits(replica.state(), &document.hash()) {
        replica = upload(session, &args.signing, toml, &document.hash()).await?;
    }
    let state = replica.state();
    let body = StatementBody::ProposePolicy(PolicyProposal {
        version: state.policy_version(),
        replaces: state.policy_digest(),
        policy: document.hash(),
    });
    ceremony::propose(session, &args.signing, &replica, body).await
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
