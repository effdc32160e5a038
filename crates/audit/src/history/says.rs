//! What an entry says, in one line for people.

use holdfast_ledger::{Act, BreakerTrip, Event, ReplacementAction, State, StatementBody, WithdrawalRequest};
use holdfast_policy::{TripCause, explain_trip};

use crate::explain::money;

/// What it says, in one line for people.
pub(crate) fn event(event: &Event<'_>) -> String {
    let said = event.act.map(|said| act(event.state, said)).unwrap_or_default();
    event.trips().fold(said, |said, (wallet, trip)| {
        let BreakerTrip { rule, policy_version, withdrawal, cause } = trip;
        let cause = why(event.state, cause);
        format!(
            "{said}; pauses `{}`: circuit breaker {rule} of policy version {policy_version}, tripped by {withdrawal}: {cause}",
            wallet.id
        )
    })
}

/// Why a breaker tripped, with amounts as the cell's registry scales them.
pub(crate) fn why(state: &State, cause: &TripCause) -> String {
    explain_trip(cause, &state.genesis().document.assets)
}

fn asks(state: &State, request: &WithdrawalRequest) -> String {
    let paid = money(state, &request.asset, request.amount);
    let bound = if request.transaction.is_some() { ", with its transaction" } else { "" };
    let (to, from) = (request.destination, &request.wallet);
    match &request.calldata {
        None => format!("asks to pay {paid} to {to} from `{from}`{bound}"),
        Some(call) => format!("asks to call `{}` of {to} with {paid} from `{from}`{bound}", call.selector()),
    }
}

fn act(state: &State, act: &Act) -> String {
    match act {
        Act::Request(request, _) => asks(state, request),
        Act::Replace(request, _) => match request.action {
            ReplacementAction::BumpFee => format!("asks to replace `{}` for a higher fee", request.of),
            ReplacementAction::CancelOnChain => format!("asks to cancel `{}` on chain", request.of),
        },
        Act::Sweep(sweep, _) => {
            let moved = money(state, &sweep.asset, sweep.amount);
            format!(
                "asks to sweep {moved} from deposit address {} of `{}`",
                sweep.deposit_index, sweep.wallet
            )
        }
        Act::Outcome(report) => {
            let outcome = format!("{:?}", report.outcome).to_lowercase();
            format!("reports transaction {} as {outcome}", report.transaction_hash)
        }
        Act::Tombstone(_) => "swears never to sign it".to_owned(),
        Act::Bind(_) => "binds a transaction".to_owned(),
        Act::Cancel(_) => "cancels it".to_owned(),
        Act::Session(report) => format!("reports on a session of customer `{}`", report.customer),
        Act::Customer(report) => format!("reports the account of customer `{}`", report.customer),
        Act::Price(report) => {
            let price = holdfast_chains::Amount::from_u128(report.price_micro_usd.0.into()).format_units(6);
            format!("reports {price} US dollars for one {}", report.asset)
        }
        Act::AskEntry(request, _) => {
            let (address, chain, customer) = (request.address, request.chain_id, &request.customer);
            format!("asks to whitelist {address} on chain {chain} for customer `{customer}`")
        }
        Act::TakeBackEntry(revocation) => format!("takes back whitelist entry `{}`", revocation.entry),
        Act::Identity(report) => {
            let (customer, method, score) = (&report.customer, &report.method, report.score);
            format!("attests `{customer}` by `{method}` with score {score} for `{}`", report.subject)
        }
        Act::Travel(report) => {
            format!("reports `{}` on the Travel Rule exchange by `{}`", report.state.name(), report.provider)
        }
        Act::OrderConfirmation(confirmation) => {
            format!("`{}` confirms legal order `{}`", confirmation.contact, confirmation.order)
        }
        Act::Statement { statement, .. } => officer(&statement.body),
        Act::Confirmation(confirmation) => {
            format!("confirms public key {} and a restored backup", confirmation.public_key)
        }
        Act::Activate(activated) => format!("activates epoch {} of `{}`", activated.epoch, activated.wallet),
        Act::Authorize(authorize) => {
            let digests: Vec<_> = authorize.digests.iter().map(ToString::to_string).collect();
            format!("asks to authorize {}", digests.join(", "))
        }
        Act::Erased(erased) => {
            format!("has erased its shares of wallet `{}` up to epoch {}", erased.wallet, erased.epoch)
        }
        Act::Attestation(attestation) => format!("attests its state at size {}", attestation.size),
        Act::Policy(upload) => format!("uploads a policy of {} bytes", upload.policy.len()),
        Act::ScreeningUpdate(update) => format!(
            "announces an update of screening list `{}`: {} added, {} removed",
            update.list, update.added, update.removed
        ),
        Act::ScreeningPart(part) => format!("uploads part {} of screening update {}", part.part, part.delta),
        Act::Exposure(report) => format!(
            "reports an exposure of {} of 100, category `{}`, for {} on chain {}",
            report.score, report.category, report.destination, report.chain_id
        ),
        Act::Signature(logged) => {
            let signers: Vec<_> = logged.signers.iter().map(ToString::to_string).collect();
            format!("logs the signature made by {}", signers.join(" and "))
        }
    }
}

fn officer(body: &StatementBody) -> String {
    match body {
        StatementBody::ProposeWallet(proposal) => format!("proposes wallet `{}`", proposal.wallet),
        StatementBody::ProposeImport(proposal) => {
            let (wallet, key) = (&proposal.wallet.wallet, &proposal.old.public_key);
            format!("proposes to import key {key} of another deployment as wallet `{wallet}`")
        }
        StatementBody::ProposeMigration(proposal) => {
            let (wallet, from, to) = (&proposal.wallet, proposal.from_epoch, proposal.epoch());
            let code = proposal.chain_code.as_str();
            format!(
                "proposes to migrate wallet `{wallet}` from {} (epoch {from}) to {} (epoch {to}), its chain code {code}",
                proposal.from_engine, proposal.engine
            )
        }
        StatementBody::ProposeWhitelistEntry(proposal) => {
            format!("proposes to whitelist {} on chain {}", proposal.address, proposal.chain_id)
        }
        StatementBody::ProposeResume { wallet, .. } => format!("proposes to resume wallet `{wallet}`"),
        StatementBody::ApproveCeremony(_) => "approves the ceremony".to_owned(),
        StatementBody::ApproveHold(_) => "approves the held withdrawal".to_owned(),
        StatementBody::RejectHold(_) => "rejects the held withdrawal".to_owned(),
        StatementBody::WithdrawApproval(_) => "takes back the approval of the withdrawal".to_owned(),
        StatementBody::RevokeWhitelistEntry(entry) => format!("revokes whitelist entry `{entry}`"),
        StatementBody::PauseWallet(wallet) => format!("pauses wallet `{wallet}`"),
        StatementBody::ProposeRosterChange(proposal) => {
            format!("proposes to change the roster: {}", proposal.change.name())
        }
        StatementBody::ProposePolicy(proposal) => format!("proposes policy {}", proposal.policy),
        StatementBody::ProposeScreening(proposal) => {
            format!(
                "proposes version {} of screening list `{}`",
                proposal.version.saturating_add(1),
                proposal.list
            )
        }
        StatementBody::ProposeScreeningLift { list, addresses } => {
            format!("proposes to take {} additions off screening list `{list}`", addresses.len())
        }
        StatementBody::AddToScreeningList { list, address } => {
            format!("adds {address} to screening list `{list}`")
        }
        StatementBody::OpenOrder(proposal) => format!(
            "opens legal order `{}` of `{}` to {}",
            proposal.reference,
            proposal.agency,
            proposal.demand.name()
        ),
        StatementBody::ApproveOrder(order) => format!("approves legal order `{order}`"),
        StatementBody::RevokeClient(client) => format!("revokes client `{client}`"),
    }
}
