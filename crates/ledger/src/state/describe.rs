//! What the ledger itself adds to a statement, so that officers see the subject and not only its id.

use holdfast_chains::Amount;
use holdfast_policy::WalletId;

use super::State;
use super::legal_orders::unknown_order;
use super::lists::unknown_list;
use super::statements::{unknown_entry, unknown_wallet};
use crate::ceremony::{ImportProposal, MigrationProposal, NextChainCode, OldKey, ScreeningProposal};
use crate::ids::{CeremonyId, StatementDigest, WithdrawalId};
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::StatementBody;
use crate::withdrawal::Withdrawal;

mod authority;
mod call;

use authority::client_lines;

/// Most addresses of an update of a list that a statement shows, of each kind.
const MAX_SHOWN: usize = 12;

pub(super) type Details = Vec<(String, String)>;

impl State {
    pub(super) fn describe(&self, body: &StatementBody) -> Result<Details, Rejection> {
        match body {
            // Proposals carry all their data themselves.
            StatementBody::ProposeWallet(_)
            | StatementBody::ProposeWhitelistEntry(_)
            | StatementBody::ProposeScreeningLift { .. }
            | StatementBody::OpenOrder(_) => Ok(Details::new()),
            StatementBody::ProposeMigration(proposal) => self.describe_migration(proposal),
            StatementBody::ProposeImport(proposal) => Ok(describe_import(proposal)),
            StatementBody::ProposeResume { wallet, lifts } => Ok(self.describe_trips(wallet, lifts)),
            StatementBody::ApproveOrder(id) => {
                let order = self.legal_order(id).ok_or_else(|| unknown_order(id))?;
                let own = order.proposal.lines().into_iter().map(|(key, value)| line(key, value));
                let more = [
                    line("order digest", order.digest),
                    line("contacts needed", order.contacts_needed()),
                    line("opened by", &order.opened_by),
                    line("lapses", order.lapses_at.to_string()),
                ];
                Ok(own.chain(more).collect())
            }
            StatementBody::ProposeRosterChange(proposal) => self.describe_roster_change(&proposal.change),
            StatementBody::ProposePolicy(proposal) => self.describe_policy(&proposal.policy),
            StatementBody::ProposeScreening(proposal) => self.describe_screening(proposal),
            // Nothing that may change before it arrives: it must act on every version.
            StatementBody::AddToScreeningList { list, .. } => match self.screening_list(list) {
                Some(_) => Ok(Details::new()),
                None => Err(unknown_list(list)),
            },
            StatementBody::ApproveCeremony(ceremony) => self.describe_ceremony(ceremony),
            StatementBody::ApproveHold(withdrawal) | StatementBody::RejectHold(withdrawal) => {
                self.describe_withdrawal(withdrawal)
            }
            StatementBody::WithdrawApproval(withdrawal) => self.describe_payment(withdrawal),
            StatementBody::RevokeWhitelistEntry(id) => {
                // The same words before and after its customer confirmed it, so that the statement acts on both.
                let (chain_id, address) = self.entry_place(id).ok_or_else(|| unknown_entry(id))?;
                Ok(vec![line("chain id", chain_id), line("address", address)])
            }
            StatementBody::PauseWallet(id) => {
                let wallet = self.wallet(id).ok_or_else(|| unknown_wallet(id))?;
                Ok(vec![line("address", wallet.address)])
            }
            // The key, so that a revocation kept in a drawer does not hit a client that came back under another one.
            StatementBody::RevokeClient(client) => Ok(client_lines(self.known_client(client)?)),
        }
    }

    /// What stays, so that officers see that it is their key, and in plain words what does not.
    fn describe_migration(&self, proposal: &MigrationProposal) -> Result<Details, Rejection> {
        let wallet = self.wallet(&proposal.wallet).ok_or_else(|| unknown_wallet(&proposal.wallet))?;
        let (code, deposits) = match proposal.chain_code {
            NextChainCode::Carried => ("keeps chain code", "every one stays"),
            NextChainCode::Fresh => {
                ("ends chain code", "EVERY ONE CHANGES, and what is on an old one cannot be swept any more")
            }
        };
        Ok(vec![
            line("keeps address", wallet.address),
            line("keeps threshold", format!("{} of {}", wallet.t, wallet.nodes.len())),
            line(code, wallet.chain_code),
            line("deposit addresses", deposits),
        ])
    }

    /// Which of the pauses to be lifted are circuit breakers', and what tripped them: a hash alone says nothing to an officer.
    fn describe_trips(&self, wallet: &WalletId, lifts: &[StatementDigest]) -> Details {
        let pauses = self.wallet(wallet).map(|wallet| wallet.pauses.as_slice()).unwrap_or_default();
        let lifted = pauses.iter().filter(|pause| lifts.contains(&pause.statement));
        let trips = lifted.filter_map(|pause| Some((pause.by.breaker()?, pause.index)));
        let shown = trips.map(|(trip, index)| line("tripped", format!("{trip} (entry {index})")));
        shown.take(MAX_SHOWN).collect()
    }

    /// The proposal's own lines, from its exact text.
    fn describe_ceremony(&self, id: &CeremonyId) -> Result<Details, Rejection> {
        let ceremony = self.ceremony(id).ok_or_else(|| {
            Rejection::new(RejectionCode::UnknownCeremony, format!("no ceremony `{id}`"))
                .with_field("ceremony")
        })?;
        let lines = ceremony.statement.lines().skip(2).filter_map(|text| text.split_once(": "));
        let mut details: Details = lines
            .take_while(|(key, _)| *key != "officer")
            .map(|(key, value)| {
                line(
                    if key == "action" { "to" } else { key },
                    value.strip_prefix("propose to ").unwrap_or(value),
                )
            })
            .collect();
        details.push(line("proposed by", &ceremony.proposer));
        Ok(details)
    }

    /// Where the update comes from, and the first addresses that come and go.
    fn describe_screening(&self, proposal: &ScreeningProposal) -> Result<Details, Rejection> {
        let waiting = self.proposed_update(proposal)?;
        let update = &waiting.update;
        let mut details = vec![
            line("new list version", update.version.saturating_add(1)),
            line("source", format!("\"{}\"", update.source)),
            line("as of", &update.as_of),
        ];
        let delta = waiting.delta();
        for (key, addresses, others, count) in [
            ("adds address", &delta.added, &delta.other_added, update.added),
            ("removes address", &delta.removed, &delta.other_removed, update.removed),
        ] {
            let shown = addresses.iter().map(ToString::to_string).chain(others.iter().cloned());
            details.extend(shown.take(MAX_SHOWN).map(|address| line(key, address)));
            let shown = u64::try_from(MAX_SHOWN).unwrap_or(u64::MAX);
            if let Some(more) = count.checked_sub(shown).filter(|more| *more > 0) {
                details.push(line(key, format!("and {more} more")));
            }
        }
        Ok(details)
    }

    /// What the withdrawal does, without what changes while it waits: what is taken back does not depend on it.
    fn describe_payment(&self, id: &WithdrawalId) -> Result<Details, Rejection> {
        let withdrawal = self.known_withdrawal(id)?;
        let request = &withdrawal.request;
        let asset = self.asset(request)?;
        let Some(calldata) = &request.calldata else {
            return Ok(vec![
                line("wallet", &request.wallet),
                line("pays", format!("{} {}", request.amount.format_units(asset.decimals), asset.symbol)),
                line("to address", request.destination),
                line("customer", &request.customer),
                line("intent", hex::encode(withdrawal.request_digest)),
            ]);
        };
        Ok(vec![
            line("wallet", &request.wallet),
            line("calls contract", request.destination),
            line("calldata", calldata.summary()),
            line("and sends", format!("{} {}", request.amount.format_units(asset.decimals), asset.symbol)),
            line("customer", &request.customer),
            line("intent", hex::encode(withdrawal.request_digest)),
        ])
    }

    pub(super) fn known_withdrawal(&self, id: &WithdrawalId) -> Result<&Withdrawal, Rejection> {
        self.withdrawal(id).ok_or_else(|| {
            Rejection::new(RejectionCode::UnknownWithdrawal, format!("no withdrawal `{id}`"))
                .with_field("withdrawal")
        })
    }

    fn describe_withdrawal(&self, id: &WithdrawalId) -> Result<Details, Rejection> {
        let withdrawal = self.known_withdrawal(id)?;
        let request = &withdrawal.request;
        let asset = self.asset(request)?;
        let money = format!("{} {}", request.amount.format_units(asset.decimals), asset.symbol);
        let mut details = vec![line("wallet", &request.wallet)];
        match self.call_lines(request) {
            None => details.extend([
                line("pays", money),
                line("base units", request.amount),
                line("chain id", request.chain_id),
                line("to address", request.destination),
            ]),
            Some(called) => {
                details.extend(called);
                details.extend([
                    line("and sends", money),
                    line("base units", request.amount),
                    line("chain id", request.chain_id),
                ]);
            }
        }
        details.extend([
            line("fee at most", format!("{} wei", request.fee_cap)),
            line("customer", &request.customer),
            line("asked by client", &request.client),
            line("intent", hex::encode(withdrawal.request_digest)),
            line("intent expires", request.expires_at_ms.to_string()),
            line("transaction", transaction(withdrawal)),
        ]);
        if let Some(order) = &request.order {
            details.push(line("legal order", order));
        }
        if let Some(replaced) = withdrawal.replaces() {
            details.insert(1, line("replaces", replaced));
        }
        details.extend(hold(withdrawal));
        Ok(details)
    }
}

/// The address that comes, and what an import cannot do.
fn describe_import(proposal: &ImportProposal) -> Details {
    let OldKey { t, public_key, .. } = &proposal.old;
    let others = format!(
        "WHOEVER RAN THE OLD DEPLOYMENT MAY STILL HOLD {t} OLD SHARES AND PAY FROM THIS ADDRESS WITHOUT THIS CLUSTER"
    );
    vec![
        line("address", public_key.address()),
        line("beware", others),
        line("beware", "only moving the funds to a wallet that was made here ends that"),
    ]
}

fn transaction(withdrawal: &Withdrawal) -> String {
    withdrawal.transaction.as_ref().map_or_else(
        || "not bound yet; it must do exactly the above".to_owned(),
        |bound| {
            let fee: Amount = bound.effects.max_fee;
            format!(
                "nonce {}, fee at most {fee} wei, signing hash {}",
                bound.effects.nonce, bound.signing_hash
            )
        },
    )
}

fn hold(withdrawal: &Withdrawal) -> Details {
    let Some(hold) = withdrawal.decision.hold() else { return Details::new() };
    let mut details = vec![line("risk score", withdrawal.decision.risk.score)];
    details.extend(hold.reasons.iter().map(|reason| line("held because", reason)));
    details.extend(hold.approvals.iter().map(|(role, count)| line("needs", format!("{count} of {role}"))));
    if hold.step_up {
        details.push(line("needs", "the customer's step-up"));
    }
    details.push(line("hold digest", hold.digest()));
    details
}

fn line(key: &str, value: impl ToString) -> (String, String) {
    (key.to_owned(), value.to_string())
}
