//! Reading withdrawals: one, many, or as they change.

use clap::Args;
use comfy_table::{Table, presets};
use holdfast_ledger::WithdrawalId;
use holdfast_proto::v1;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_transport::Role;
use serde_json::json;

use super::submit::{WalletAddress, answer};
use crate::amount::show_money;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::profile::Who;
use crate::receipt::Asked;
use crate::session::Session;
use crate::wire;

/// Whose eyes to read with.
#[derive(Args, Clone, Debug)]
struct Eyes {
    /// The client that reads: it sees its own withdrawals; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Read as the profile's reader (officer or auditor), who sees everyone's
    #[arg(long, conflicts_with = "client")]
    all: bool,
}

impl Eyes {
    fn who(&self, session: &Session) -> Result<Who, Failure> {
        if self.all {
            return session.profile.reader();
        }
        session.profile.choose(Role::Client, self.client.as_deref()).or_else(|_| session.profile.reader())
    }
}

/// Which withdrawal.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// Id of the withdrawal (`w-...`)
    #[arg(required_unless_present = "idempotency_key")]
    id: Option<WithdrawalId>,
    /// Your key, if you do not know the id
    #[arg(long, value_name = "KEY", conflicts_with = "id")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    eyes: Eyes,
    #[command(flatten)]
    wallet: WalletAddress,
}

/// From where on.
#[derive(Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// Only this withdrawal; ends with its final state
    id: Option<WithdrawalId>,
    /// First log index of interest
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    #[command(flatten)]
    eyes: Eyes,
}

/// Which withdrawals.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Only those of this wallet
    #[arg(long, default_value = "")]
    wallet: String,
    /// Only those in this state, for example HELD
    #[arg(long)]
    state: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    eyes: Eyes,
}

/// One withdrawal, as the coordinator has it.
pub(crate) async fn fetch(
    session: &Session,
    who: &Who,
    id: &WithdrawalId,
) -> Result<v1::Withdrawal, Failure> {
    let mut client = WithdrawalServiceClient::new(session.coordinator(who).await?);
    let request = v1::GetWithdrawalRequest { withdrawal_id: id.to_string() };
    let withdrawal = client.get(request).await?.into_inner();
    Asked::named(who, *id).check(&withdrawal)?;
    Ok(withdrawal)
}

pub(super) async fn show(session: &Session, args: &ShowArgs) -> Result<Answer, Failure> {
    let who = args.eyes.who(session)?;
    let id = match (&args.id, &args.idempotency_key) {
        (Some(id), _) => *id,
        (None, key) => id_of(session, &who, key.as_deref().unwrap_or_default())?,
    };
    let withdrawal = fetch(session, &who, &id).await?;
    let asked = Asked::named(&who, id).with_address(args.wallet.address);
    Ok(answer(session, &asked, &withdrawal)?.with_exit(Exit::Success))
}

/// The id under a client's own key is computed here: no server has to be believed about it.
fn id_of(session: &Session, who: &Who, key: &str) -> Result<WithdrawalId, Failure> {
    if who.role == Role::Client {
        return Ok(WithdrawalId::of(session.cluster(), &who.name, key));
    }
    Err(Failure::usage("an idempotency key is a client's")
        .next("pass `--client NAME`, or the withdrawal's id"))
}

pub(super) async fn watch(session: &Session, args: &WatchArgs) -> Result<Answer, Failure> {
    let who = args.eyes.who(session)?;
    let mut client = WithdrawalServiceClient::new(session.coordinator(&who).await?);
    let withdrawal_id = args.id.map(|id| id.to_string());
    let request = v1::WatchWithdrawalsRequest { from_index: args.from, withdrawal_id };
    let mut stream = client.watch(request).await?.into_inner();
    let mut events = Vec::new();
    loop {
        // Ctrl-C ends the watch, not the answer.
        let event = tokio::select! {
            event = stream.message() => event?,
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(event) = event else { break };
        let Some(withdrawal) = &event.withdrawal else { continue };
        if let Some(id) = args.id {
            Asked::named(&who, id).check(withdrawal)?;
        }
        let index = event.position.as_ref().map(|position| position.index).unwrap_or_default();
        let reason = withdrawal.reason.as_ref().map(|reason| reason.code.as_str()).unwrap_or_default();
        session.output.line(&format!(
            "{index:>6}  {}  {:<10} {reason}",
            withdrawal.id,
            wire::state_name(withdrawal)
        ));
        events.push(wire::event(event.position.as_ref(), wire::withdrawal(withdrawal)));
    }
    Ok(Answer::new(json!({"events": events}), ""))
}

pub(super) async fn list(session: &Session, args: &ListArgs) -> Result<Answer, Failure> {
    let who = args.eyes.who(session)?;
    let state = match &args.state {
        None => v1::WithdrawalState::Unspecified,
        Some(name) => {
            v1::WithdrawalState::from_str_name(&format!("WITHDRAWAL_STATE_{}", name.to_uppercase()))
                .ok_or_else(|| {
                    Failure::usage(format!("`{name}` is no state of a withdrawal"))
                        .next("try HELD, SIGNED or DENIED")
                })?
        }
    };
    let mut client = WithdrawalServiceClient::new(session.coordinator(&who).await?);
    let (mut withdrawals, mut page_token) = (Vec::new(), String::new());
    while withdrawals.len() < args.limit {
        let request = v1::ListWithdrawalsRequest {
            wallet: args.wallet.clone(),
            state: state.into(),
            page_size: 0,
            page_token,
        };
        let page = client.list(request).await?.into_inner();
        withdrawals.extend(page.withdrawals);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    withdrawals.truncate(args.limit);
    let json: Vec<_> = withdrawals.iter().map(wire::withdrawal).collect();
    Ok(Answer::new(json!({"withdrawals": json}), table(session, &withdrawals)))
}

fn table(session: &Session, withdrawals: &[v1::Withdrawal]) -> String {
    if withdrawals.is_empty() {
        return "no withdrawals".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["withdrawal", "state", "reason", "wallet", "pays", "to"]);
    for withdrawal in withdrawals {
        table.add_row([
            withdrawal.id.clone(),
            wire::state_name(withdrawal),
            withdrawal.reason.as_ref().map(|reason| reason.code.clone()).unwrap_or_default(),
            withdrawal.wallet.clone(),
            show_money(&withdrawal.amount, &withdrawal.asset, session.assets()),
            withdrawal.destination.clone(),
        ]);
    }
    table.to_string()
}
