//! `holdfast ceremony`: acts that need several officers, and the one road by which every officer's statement is sent.

mod lifts;
mod page;

use clap::{Args, Subcommand};
use holdfast_ledger::{Ceremony, CeremonyId, CeremonyKind, State, StatementBody, StatementDigest};
use holdfast_policy::TimestampMs;
use holdfast_proto::v1;
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use serde_json::json;
use tonic::Status;
use tonic::transport::Channel;

use crate::binding::{self, Binding};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::policy::judge;
use crate::replica::{self, LocalReplica};
use crate::roster::promises;
use crate::session::Session;
use crate::statement::{Describes, Expiring, Prepared, Signing};
use crate::{clock, wallet, wire};

pub(crate) use page::{ceremony_json, ceremony_text};

/// List, read, approve and follow ceremonies
#[derive(Subcommand, Debug)]
pub(crate) enum CeremonyCommand {
    /// List all ceremonies, from the log
    List,
    /// Show one ceremony with its statement and everything that touched it, from the log
    Show {
        /// Id of the ceremony (`c-...`)
        id: CeremonyId,
    },
    /// Approve a ceremony: the statement is generated from the log on this machine
    Approve(Box<ApproveArgs>),
    /// Follow a ceremony until it is in force, has failed or has expired
    Watch {
        /// Id of the ceremony (`c-...`)
        id: CeremonyId,
    },
}

/// An approval.
#[derive(Args, Clone, Debug)]
pub(crate) struct ApproveArgs {
    /// Id of the ceremony (`c-...`)
    pub(crate) id: CeremonyId,
    /// Follow the ceremony until it is in force
    #[arg(long)]
    pub(crate) wait: bool,
    /// For new keys of a node: a statement that another node has taken and that may be forgotten, its SHA-256
    #[arg(long, value_name = "SHA256")]
    pub(crate) pass_over: Vec<StatementDigest>,
    #[command(flatten)]
    pub(crate) signing: Expiring,
}

/// What came of an officer's act.
pub(crate) enum Sent {
    /// It is in the log, which was read again and shows it.
    Logged(Box<Logged>),
    /// The statement was written to a file and nothing was sent.
    Written(Answer),
}

/// An act that took effect.
pub(crate) struct Logged {
    pub(crate) digest: StatementDigest,
    pub(crate) replica: LocalReplica,
    /// How far it binds, if it restricts.
    pub(crate) binding: Option<Binding>,
}

impl Logged {
    /// An answer, with how far the act binds.
    pub(crate) fn answer(&self, mut answer: Answer) -> Answer {
        let Some(binding) = &self.binding else { return answer };
        if let Some(object) = answer.json.as_object_mut() {
            object.insert("binding".to_owned(), binding.json());
        }
        let next = binding.next().map(|next| format!("\nnext: {next}")).unwrap_or_default();
        answer.text = format!("{}\n{}{next}", answer.text.trim_end(), binding.text());
        answer
    }
}

pub(crate) async fn run(session: &Session, command: &CeremonyCommand) -> Result<Answer, Failure> {
    match command {
        CeremonyCommand::List => list(session).await,
        CeremonyCommand::Show { id } => show(session, id).await,
        CeremonyCommand::Approve(args) => approve(session, args).await,
        CeremonyCommand::Watch { id } => watch(session, id).await,
    }
}

/// Makes a statement, has it signed, sends it, and waits until the replayed log shows that it acted.
pub(crate) async fn act(
    session: &Session,
    signing: &Signing,
    describes: &impl Describes,
    body: StatementBody,
    send: impl AsyncFnOnce(Channel, Vec<u8>) -> Result<(), Status>,
) -> Result<Sent, Failure> {
    let signed = match signing.prepare(session, describes, body.clone())? {
        Prepared::Written(answer) => return Ok(Sent::Written(answer)),
        Prepared::Signed(signed) => signed,
    };
    let channel = session.coordinator(&signing.who(session)?).await?;
    send(channel, signed.bytes()).await?;
    let digest = signed.digest;
    let (replica, binding) = binding::logged(session, digest, &body).await?;
    Ok(Sent::Logged(Box::new(Logged { digest, replica, binding })))
}

/// Proposes a ceremony.
pub(crate) async fn propose(
    session: &Session,
    signing: &Signing,
    replica: &LocalReplica,
    body: StatementBody,
) -> Result<Answer, Failure> {
    let sent = act(session, signing, replica, body, async |channel, envelope| {
        CeremonyServiceClient::new(channel).propose(v1::ProposeCeremonyRequest { envelope }).await.map(drop)
    });
    proposed(sent.await?)
}

/// The answer to a proposal: the ceremony as the log shows it.
pub(crate) fn proposed(sent: Sent) -> Result<Answer, Failure> {
    match sent {
        Sent::Written(answer) => Ok(answer),
        Sent::Logged(logged) => {
            let ceremony = find(logged.replica.state(), &CeremonyId::of(&logged.digest))?;
            let next = format!("next: holdfast ceremony approve {} --officer NAME", ceremony.id);
            Ok(answer(&logged.replica, ceremony, &next))
        }
    }
}

pub(crate) async fn approve(session: &Session, args: &ApproveArgs) -> Result<Answer, Failure> {
    let replica = known(session, &args.id).await?;
    let ceremony = find(replica.state(), &args.id)?;
    for warning in warnings(&ceremony.kind) {
        session.output.notice(&warning);
    }
    let signing = args.signing.signing();
    let who = signing.who(session)?;
    promises::check(session, &who, ceremony, &args.pass_over).await?;
    lifts::check(session, &who, replica.state(), ceremony).await?;
    Box::pin(judge::check(session, replica.state(), ceremony)).await?;
    let body = StatementBody::ApproveCeremony(args.id);
    let sent = act(session, &signing, &replica, body, async |channel, envelope| {
        CeremonyServiceClient::new(channel).approve(v1::ApproveCeremonyRequest { envelope }).await.map(drop)
    });
    match sent.await? {
        Sent::Written(answer) => Ok(answer),
        Sent::Logged(logged) if args.wait => {
            follow(session, &args.id).await?;
            Ok(logged.answer(show(session, &args.id).await?))
        }
        Sent::Logged(logged) => {
            Ok(logged.answer(answer(&logged.replica, find(logged.replica.state(), &args.id)?, "")))
        }
    }
}

/// What an officer has to know beside the statement, before signing.
pub(crate) fn warnings(kind: &CeremonyKind) -> Vec<String> {
    let engine = kind.key_work().and_then(|work| engine::warning(work.engine));
    let beside = match kind {
        CeremonyKind::MigrateWallet(proposal) => wallet::moves_deposits(proposal),
        CeremonyKind::ImportWallet(proposal) => Some(wallet::outlives(proposal)),
        CeremonyKind::CreateWallet(_)
        | CeremonyKind::AddWhitelistEntry(_)
        | CeremonyKind::ResumeWallet { .. }
        | CeremonyKind::ChangeRoster(_)
        | CeremonyKind::ChangePolicy(_)
        | CeremonyKind::UpdateScreeningList(_)
        | CeremonyKind::LiftScreeningAdditions { .. } => None,
    };
    engine.into_iter().chain(beside).collect()
}

async fn list(session: &Session) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let state = replica.state();
    let mut ceremonies: Vec<&Ceremony> = state.ceremonies().collect();
    ceremonies.sort_by_key(|ceremony| std::cmp::Reverse(ceremony.index));
    let json: Vec<_> = ceremonies.iter().map(|ceremony| ceremony_json(ceremony, state.last_time())).collect();
    let text = page::table(&ceremonies, clock::now());
    Ok(Answer::new(
        json!({"ceremonies": json, "log_size": state.size()}),
        format!("{text}\n({})", replica.provenance()),
    ))
}

async fn show(session: &Session, id: &CeremonyId) -> Result<Answer, Failure> {
    let replica = known(session, id).await?;
    Ok(answer(&replica, find(replica.state(), id)?, ""))
}

async fn watch(session: &Session, id: &CeremonyId) -> Result<Answer, Failure> {
    let ceremony = follow(session, id).await?;
    let exit = match ceremony.phase() {
        v1::CeremonyPhase::Activated => Exit::Success,
        v1::CeremonyPhase::Proposed
        | v1::CeremonyPhase::Approved
        | v1::CeremonyPhase::Running
        | v1::CeremonyPhase::Confirmed => Exit::Held,
        v1::CeremonyPhase::Expired | v1::CeremonyPhase::Failed | v1::CeremonyPhase::Unspecified => {
            Exit::Other
        }
    };
    let text = format!("{} is {}", ceremony.id, wire::phase_name(&ceremony).to_lowercase());
    Ok(Answer::new(wire::ceremony(&ceremony), text).with_exit(exit))
}

/// Follows a ceremony until its final phase, showing how far the nodes are. Progress is the coordinator's word; what is in
/// force is read from the log afterwards.
pub(crate) async fn follow(session: &Session, id: &CeremonyId) -> Result<v1::Ceremony, Failure> {
    let who = session.profile.reader()?;
    let mut client = CeremonyServiceClient::new(session.coordinator(&who).await?);
    let request = v1::WatchCeremoniesRequest { from_index: 0, ceremony_id: Some(id.to_string()) };
    let mut events = client.watch(request).await?.into_inner();
    let spinner = session.output.spinner(format!("{id}: waiting"));
    let mut newest = None;
    while let Some(event) = events.message().await? {
        let Some(ceremony) = event.ceremony else { continue };
        spinner.set_message(progress(&ceremony));
        newest = Some(ceremony);
    }
    spinner.finish_and_clear();
    newest.ok_or_else(|| {
        Failure::new(Exit::Unavailable, "STREAM_ENDED", "the stream ended before the ceremony did")
            .next(format!("holdfast ceremony watch {id}"))
    })
}

fn progress(ceremony: &v1::Ceremony) -> String {
    let phase = wire::phase_name(ceremony).to_lowercase();
    let rounds = ceremony.progress.as_ref().map(|at| format!(", round {} of {}", at.round, at.of));
    let blocked = match ceremony.blocked_by.as_slice() {
        [] => String::new(),
        nodes => format!(", waits for {}", nodes.join(", ")),
    };
    format!("{}: {phase}{}{blocked}", ceremony.id, rounds.unwrap_or_default())
}

async fn known(session: &Session, id: &CeremonyId) -> Result<LocalReplica, Failure> {
    let replica = replica::look_up(session, |state| state.ceremony(id).is_some()).await?;
    find(replica.state(), id)?;
    Ok(replica)
}

fn find<'a>(state: &'a State, id: &CeremonyId) -> Result<&'a Ceremony, Failure> {
    state.ceremony(id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_CEREMONY", format!("the log has no ceremony `{id}`"))
            .next("holdfast ceremony list")
    })
}

fn answer(replica: &LocalReplica, ceremony: &Ceremony, next: &str) -> Answer {
    let now = TimestampMs(clock::now().0.max(replica.state().last_time().0));
    let steps = replica.history.ceremony_steps(&ceremony.id);
    let mut json = ceremony_json(ceremony, now);
    if let Some(object) = json.as_object_mut() {
        object.insert("steps".to_owned(), json!(steps));
    }
    let text = ceremony_text(ceremony, steps, now);
    Answer::new(json, format!("{text}({})\n{next}", replica.provenance()))
}
