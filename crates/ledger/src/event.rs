//! One applied entry as those see it who search and audit: who signed it, what it is about, and what the state machine made
//! of it.
//!
//! Owns the reading of an entry after it was applied. It decides nothing: outcome and decision are the state's.

use holdfast_log::Entry;
use holdfast_policy::{Decision, WalletId};

use crate::act::Act;
use crate::ceremony::CeremonyKind;
use crate::ids::{CeremonyId, WithdrawalId};
use crate::payload::{IdentitySubject, PayloadKind};
use crate::rejection::Rejection;
use crate::state::{Applied, Outcome, State};
use crate::statement::StatementBody;
use crate::wallet::{BreakerTrip, Wallet};
use crate::withdrawal::Withdrawal;

/// An entry, applied.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// What it did.
    pub applied: &'a Applied,
    /// What its signer says, as far as it can be read.
    pub act: Option<&'a Act>,
    /// The state after it.
    pub state: &'a State,
    /// The kind of its payload.
    pub kind: PayloadKind,
    /// The withdrawal it is about.
    pub withdrawal: Option<WithdrawalId>,
    /// The ceremony it is about.
    pub ceremony: Option<CeremonyId>,
    /// The wallet it names; see [`Self::wallet`].
    pub wallet: Option<WalletId>,
}

impl<'a> Event<'a> {
    /// Reads an entry; `applied` is what it did, `state` the state right after it.
    pub fn new(entry: &'a Entry, applied: &'a Applied, state: &'a State) -> Self {
        let act = applied.act.act().ok();
        let mut subject = act.map(Subject::of).unwrap_or_default();
        if let Outcome::Admitted(admission) = &applied.outcome {
            subject.withdrawal = admission.withdrawal.or(subject.withdrawal);
            subject.ceremony = admission.ceremony.or(subject.ceremony);
            subject.wallet = admission.wallet.clone().or(subject.wallet);
        }
        let Subject { withdrawal, ceremony, wallet } = subject;
        Self { entry, applied, act, state, kind: applied.act.kind(), withdrawal, ceremony, wallet }
    }

    /// Its log index.
    pub fn index(&self) -> u64 {
        self.applied.index
    }

    /// Its time, ms.
    pub fn time_ms(&self) -> u64 {
        self.applied.time.0
    }

    /// The kind's short name: `withdrawal-request`.
    pub fn kind_name(&self) -> &'static str {
        self.kind.short_name()
    }

    /// Who signed it: `<role>:<name>`.
    pub fn signer(&self) -> &'a str {
        self.entry
            .envelope()
            .signatures
            .first()
            .map(|signature| signature.key_id.as_str())
            .unwrap_or_default()
    }

    /// An officer's statement: its action, for example `pause a wallet`.
    pub fn action(&self) -> Option<&'static str> {
        if let Act::Statement { statement, .. } = self.act? { Some(statement.body.action()) } else { None }
    }

    /// Why it changed nothing; `None` if it took effect.
    pub fn rejection(&self) -> Option<&'a Rejection> {
        match &self.applied.outcome {
            Outcome::Rejected(rejection) => Some(rejection),
            Outcome::Admitted(_) => None,
        }
    }

    /// The withdrawal that ended because it authorized another in its place.
    pub fn replaced(&self) -> Option<WithdrawalId> {
        match &self.applied.outcome {
            Outcome::Admitted(admission) => admission.replaced,
            Outcome::Rejected(_) => None,
        }
    }

    /// Its withdrawal, as it is after it.
    pub fn withdrawal_after(&self) -> Option<&'a Withdrawal> {
        self.state.withdrawal(self.withdrawal.as_ref()?)
    }

    /// The pauses of circuit breakers that it tripped.
    pub fn trips(&self) -> impl Iterator<Item = (&'a Wallet, &'a BreakerTrip)> + use<'a> {
        let admission = match &self.applied.outcome {
            Outcome::Admitted(admission) => admission.wallet.as_ref(),
            Outcome::Rejected(_) => None,
        };
        let (index, wallet) = (self.index(), admission.and_then(|wallet| self.state.wallet(wallet)));
        wallet.into_iter().flat_map(move |wallet| {
            let made = wallet.pauses.iter().filter(move |pause| pause.index == index);
            made.filter_map(move |pause| Some((wallet, pause.by.breaker()?)))
        })
    }

    /// The decision that it led to; `None` if it changed none.
    pub fn decision(&self) -> Option<&'a Decision> {
        let withdrawal = self.withdrawal_after()?;
        (self.rejection().is_none() && withdrawal.positions.decision == self.index())
            .then_some(&withdrawal.decision)
    }

    /// Why it was refused, or the reasons of the decision that it led to, the main one first.
    pub fn codes(&self) -> Vec<&'static str> {
        match self.rejection() {
            Some(rejection) => vec![rejection.code().as_str()],
            None => {
                let reasons = self.decision().map(Decision::reasons).unwrap_or_default();
                reasons.into_iter().map(|reason| reason.code()).collect()
            }
        }
    }

    /// The client whose withdrawal it is about, or who signed it.
    pub fn client(&self) -> Option<&'a str> {
        let of_withdrawal = self.withdrawal_after().map(|withdrawal| withdrawal.request.client.as_str());
        of_withdrawal.or_else(|| self.signer().strip_prefix("client:"))
    }

    /// The wallet whose withdrawal or ceremony it is about, or that it names.
    pub fn wallet(&self) -> Option<&WalletId> {
        if let Some(withdrawal) = self.withdrawal_after() {
            return Some(&withdrawal.request.wallet);
        }
        let ceremony = self.ceremony.and_then(|id| self.state.ceremony(&id));
        let of_ceremony = ceremony.and_then(|ceremony| match &ceremony.kind {
            CeremonyKind::CreateWallet(proposal) => Some(&proposal.wallet),
            CeremonyKind::MigrateWallet(proposal) => Some(&proposal.wallet),
            CeremonyKind::ImportWallet(proposal) => Some(&proposal.wallet.wallet),
            CeremonyKind::ResumeWallet { wallet, .. } => Some(wallet),
            CeremonyKind::AddWhitelistEntry(_)
            | CeremonyKind::ChangeRoster(_)
            | CeremonyKind::ChangePolicy(_)
            | CeremonyKind::UpdateScreeningList(_)
            | CeremonyKind::LiftScreeningAdditions { .. } => None,
        });
        of_ceremony.or(self.wallet.as_ref())
    }
}

/// What an act is about.
#[derive(Clone, Debug, Default)]
struct Subject {
    withdrawal: Option<WithdrawalId>,
    ceremony: Option<CeremonyId>,
    wallet: Option<WalletId>,
}

impl Subject {
    fn of(act: &Act) -> Self {
        match act {
            Act::Request(request, _) => {
                Self { wallet: Some(request.wallet.clone()), ..Self::withdrawal(request.withdrawal_id()) }
            }
            Act::Bind(bind) => Self::withdrawal(bind.withdrawal),
            Act::Cancel(cancel) => Self::withdrawal(cancel.withdrawal),
            Act::Authorize(authorize) => Self::withdrawal(authorize.withdrawal),
            Act::Signature(signature) => Self::withdrawal(signature.withdrawal),
            Act::Confirmation(confirmation) => {
                Self { wallet: Some(confirmation.wallet.clone()), ..Self::ceremony(confirmation.ceremony) }
            }
            Act::Activate(activated) => {
                Self { wallet: Some(activated.wallet.clone()), ..Self::ceremony(activated.ceremony) }
            }
            Act::Erased(erased) => Self { wallet: Some(erased.wallet.clone()), ..Self::default() },
            Act::Replace(request, _) => Self::withdrawal(request.withdrawal_id()),
            Act::Sweep(request, _) => {
                Self { wallet: Some(request.wallet.clone()), ..Self::withdrawal(request.withdrawal_id()) }
            }
            Act::Outcome(report) => Self::withdrawal(report.withdrawal),
            Act::AskEntry(..) | Act::TakeBackEntry(_) => Self::default(),
            Act::Tombstone(tombstone) => Self::withdrawal(tombstone.withdrawal),
            Act::Identity(report) => match &report.subject {
                IdentitySubject::Withdrawal(id) => Self::withdrawal(*id),
                IdentitySubject::WhitelistEntry(_) => Self::default(),
            },
            Act::Travel(report) => Self::withdrawal(report.withdrawal),
            Act::OrderConfirmation(_)
            | Act::Session(_)
            | Act::Customer(_)
            | Act::Price(_)
            | Act::Attestation(_)
            | Act::Policy(_)
            | Act::ScreeningUpdate(_)
            | Act::ScreeningPart(_)
            | Act::Exposure(_) => Self::default(),
            Act::Statement { statement, digest, .. } => match &statement.body {
                StatementBody::ApproveHold(id)
                | StatementBody::RejectHold(id)
                | StatementBody::WithdrawApproval(id) => Self::withdrawal(*id),
                StatementBody::ApproveCeremony(id) => Self::ceremony(*id),
                StatementBody::ProposeWallet(proposal) => {
                    Self { wallet: Some(proposal.wallet.clone()), ..Self::ceremony(CeremonyId::of(digest)) }
                }
                StatementBody::ProposeMigration(proposal) => {
                    Self { wallet: Some(proposal.wallet.clone()), ..Self::ceremony(CeremonyId::of(digest)) }
                }
                StatementBody::ProposeImport(proposal) => {
                    let wallet = Some(proposal.wallet.wallet.clone());
                    Self { wallet, ..Self::ceremony(CeremonyId::of(digest)) }
                }
                StatementBody::ProposeResume { wallet, .. } => {
                    Self { wallet: Some(wallet.clone()), ..Self::ceremony(CeremonyId::of(digest)) }
                }
                StatementBody::ProposeWhitelistEntry(_)
                | StatementBody::ProposeRosterChange(_)
                | StatementBody::ProposePolicy(_)
                | StatementBody::ProposeScreening(_)
                | StatementBody::ProposeScreeningLift { .. } => Self::ceremony(CeremonyId::of(digest)),
                StatementBody::PauseWallet(wallet) => {
                    Self { wallet: Some(wallet.clone()), ..Self::default() }
                }
                StatementBody::RevokeWhitelistEntry(_)
                | StatementBody::RevokeClient(_)
                | StatementBody::OpenOrder(_)
                | StatementBody::ApproveOrder(_)
                | StatementBody::AddToScreeningList { .. } => Self::default(),
            },
        }
    }

    fn withdrawal(id: WithdrawalId) -> Self {
        Self { withdrawal: Some(id), ..Self::default() }
    }

    fn ceremony(id: CeremonyId) -> Self {
        Self { ceremony: Some(id), ..Self::default() }
    }
}
