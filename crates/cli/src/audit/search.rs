//! `holdfast audit search`: entries by what they are about.
//!
//! Over an export, or with `--replay` over the whole live log, what is found is all there is. Without, the coordinator is asked:
//! quick, and no proof that there is no more.

use std::path::Path;

use clap::{Args, ValueEnum};
use holdfast_audit::{Decided, Effect, Hit, Interest, Query, one_line};
use holdfast_ledger::WithdrawalId;
use holdfast_log::Entry;
use holdfast_policy::{ClientId, OfficerId, TimestampMs, WalletId};
use holdfast_proto::v1;
use holdfast_proto::v1::audit_service_client::AuditServiceClient;
use serde_json::json;

use super::period::PeriodArgs;
use super::replayed::{LogArgs, replay};
use super::rows::{Row, RowArgs, Rows};
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::session::Session;

/// What to look for; all filters that are given must match.
#[derive(Args, Clone, Debug)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Signed by this client, or about a withdrawal of this client
    #[arg(long)]
    client: Option<ClientId>,
    /// About this wallet, or about a withdrawal of this wallet
    #[arg(long)]
    wallet: Option<WalletId>,
    /// About this withdrawal (`w-...`)
    #[arg(long)]
    withdrawal: Option<WithdrawalId>,
    /// Signed by this officer
    #[arg(long)]
    officer: Option<OfficerId>,
    /// Of this kind, for example `withdrawal-request` or `authorize`, or a statement with this action, for example `pause a wallet`
    #[arg(long)]
    kind: Option<String>,
    /// Only entries that took effect, or only refused ones
    #[arg(long, value_enum)]
    effect: Option<EffectArg>,
    /// The decision about its withdrawal after it
    #[arg(long, value_enum)]
    outcome: Option<OutcomeArg>,
    /// Refused for this reason, or with this reason in the decision, for example POLICY_BOUND
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Download and replay the whole live log instead of asking the coordinator
    #[arg(long, conflicts_with = "log")]
    replay: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    pub(crate) rows: RowArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EffectArg {
    Applied,
    Refused,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OutcomeArg {
    Allow,
    Hold,
    Deny,
}

pub(crate) async fn run(profile: &Path, output: Output, args: &SearchArgs) -> Result<Answer, Failure> {
    let mut rows = Rows::begin(output, args.rows, &Hit::COLUMNS)?;
    let limit = args.limit.unwrap_or(u64::MAX);
    if args.replay || args.log.log.is_some() {
        let (query, mut hits) = (args.query(), Vec::new());
        let found = |event: &holdfast_audit::Event<'_>| {
            let more = u64::try_from(hits.len()).is_ok_and(|found| found < limit);
            hits.extend(query.hit(event).filter(|_| more));
        };
        replay(profile, output, &args.log, Interest::Nothing, &mut { found }).await?;
        hits.iter().for_each(|hit| push(&mut rows, hit));
        let count = rows.count();
        rows.remark(&format!("{count} entries match, in a log that was verified and replayed here"));
    } else {
        ask(&Session::open(profile, output)?, args, &mut rows).await?;
        let count = rows.count();
        rows.remark(&format!(
            "{count} entries match, says the coordinator; `--replay` or `--log EXPORT` proves that there is no more"
        ));
    }
    Ok(rows.finish())
}

impl SearchArgs {
    fn query(&self) -> Query {
        Query {
            from: self.period.from,
            to: self.period.to,
            client: self.client.clone(),
            wallet: self.wallet.clone(),
            withdrawal: self.withdrawal,
            officer: self.officer.clone(),
            kind: self.kind.clone(),
            effect: self.effect.map(|effect| match effect {
                EffectArg::Applied => Effect::Applied,
                EffectArg::Refused => Effect::Refused,
            }),
            outcome: self.outcome.map(|outcome| match outcome {
                OutcomeArg::Allow => Decided::Allow,
                OutcomeArg::Hold => Decided::Hold,
                OutcomeArg::Deny => Decided::Deny,
            }),
            code: self.code.clone(),
        }
    }

    fn request(&self) -> v1::SearchRequest {
        let text = |value: Option<String>| value.unwrap_or_default();
        let effect = self.effect.map_or(v1::EntryEffect::Unspecified, |effect| match effect {
            EffectArg::Applied => v1::EntryEffect::Applied,
            EffectArg::Refused => v1::EntryEffect::Refused,
        });
        let outcome = self.outcome.map_or(v1::Outcome::Unspecified, |outcome| match outcome {
            OutcomeArg::Allow => v1::Outcome::Allow,
            OutcomeArg::Hold => v1::Outcome::Hold,
            OutcomeArg::Deny => v1::Outcome::Deny,
        });
        v1::SearchRequest {
            from_ms: self.period.start().0,
            to_ms: self.period.to.map_or(0, |to| to.0),
            client: text(self.client.as_ref().map(ToString::to_string)),
            wallet: text(self.wallet.as_ref().map(ToString::to_string)),
            withdrawal_id: text(self.withdrawal.map(|id| id.to_string())),
            officer: text(self.officer.as_ref().map(ToString::to_string)),
            kind: text(self.kind.clone()),
            effect: effect.into(),
            outcome: outcome.into(),
            reason_code: text(self.code.clone()),
            limit: self.limit.unwrap_or(0),
            ..Default::default()
        }
    }
}

async fn ask(session: &Session, args: &SearchArgs, rows: &mut Rows) -> Result<(), Failure> {
    let reader = session.profile.reader()?;
    let mut client = AuditServiceClient::new(session.coordinator(&reader).await?);
    let mut stream = client.search(args.request()).await?.into_inner();
    let limit = args.limit.unwrap_or(u64::MAX);
    while let Some(hit) = stream.message().await? {
        if rows.count() < limit {
            push(rows, &received(&hit)?);
        }
    }
    Ok(())
}

/// A hit as the coordinator sent it; what can be read from the entry itself is.
fn received(hit: &v1::SearchHit) -> Result<Hit, Failure> {
    let entry = Entry::parse(&hit.entry)
        .map_err(|error| Failure::verification(error.code(), format!("a hit is no entry: {error}")))?;
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let outcome = match hit.outcome() {
        v1::Outcome::Unspecified => None,
        v1::Outcome::Allow => Some(Decided::Allow),
        v1::Outcome::Hold => Some(Decided::Hold),
        v1::Outcome::Deny => Some(Decided::Deny),
    };
    let refused = hit.effect() == v1::EntryEffect::Refused;
    let signer = entry.envelope().signatures.first().map(|signature| signature.key_id.clone());
    Ok(Hit {
        index: hit.position.as_ref().map_or(0, |position| position.index),
        time_ms: entry.time_ms(),
        time: TimestampMs(entry.time_ms()).to_string(),
        kind: hit.kind.clone(),
        action: text(&hit.action),
        signer: signer.unwrap_or_default(),
        effect: if refused { Effect::Refused } else { Effect::Applied },
        outcome,
        code: hit.reason.as_ref().map(|reason| reason.code.clone()),
        detail: hit.reason.as_ref().map(|reason| reason.sentence.clone()),
        withdrawal: text(&hit.withdrawal_id),
        client: text(&hit.client),
        wallet: text(&hit.wallet),
        says: String::new(),
        leaf_hash: entry.leaf_hash().to_hex(),
    })
}

fn push(rows: &mut Rows, hit: &Hit) {
    rows.push(&Row { json: &json!(hit), cells: &hit.cells(), text: &line(hit) });
}

fn line(hit: &Hit) -> String {
    let what = hit.action.as_deref().unwrap_or(&hit.kind);
    let result = match (hit.effect, hit.outcome, &hit.code) {
        (Effect::Refused, _, Some(code)) => format!("REFUSED {code}"),
        (Effect::Refused, _, None) => "REFUSED".to_owned(),
        (Effect::Applied, Some(outcome), Some(code)) => format!("{} {code}", outcome.as_str()),
        (Effect::Applied, Some(outcome), None) => outcome.as_str().to_owned(),
        (Effect::Applied, None, _) => "applied".to_owned(),
    };
    let about = hit.withdrawal.as_deref().or(hit.wallet.as_deref()).unwrap_or_default();
    let says = if hit.says.is_empty() { String::new() } else { format!("  {}", one_line(&hit.says)) };
    format!("{:>8}  {}  {:<20} {what:<28} {result:<34} {about}{says}", hit.index, hit.time, hit.signer)
}
