//! The state machine: `apply` takes the next entry and derives everything from it.
//!
//! INVARIANT (G10): `apply` is a pure function of the log. It reads no clock; the entry's time is the time.
//! INVARIANT (G7): an entry that is authentic but not admissible changes nothing except the size, the time and, if it is a
//! provider's report that can never be taken, which number its next one has.

use std::sync::Arc;

use holdfast_log::{Entry, Envelope};
use holdfast_policy::{
    Activity, Breakers, ClientId, ClusterId, CustomerRef, LegalOrderId, NodeId, Outflows, PageFault,
    PolicyVersion, ProviderId, TimestampMs, WalletId, Whitelist, WhitelistEntry, WhitelistEntryId,
};
use imbl::{OrdMap, OrdSet};

use crate::act::{Act, ActError, VerifiedAct, verify_act};
use crate::ceremony::Ceremony;
use crate::genesis::{Genesis, GenesisError};
use crate::ids::{CeremonyId, StateDigest, StatementDigest, WithdrawalId};
use crate::payload::SessionReport;
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::RosterVersion;
use crate::wallet::Wallet;
use crate::withdrawal::Withdrawal;

mod activity;
mod attestations;
mod authority;
mod authorize;
mod breakers;
mod ceremonies;
mod change;
mod decide;
mod describe;
mod digest;
mod effects;
mod erasures;
mod exposures;
mod holds;
mod identities;
mod legal_orders;
mod lists;
mod orders;
mod outcomes;
mod outflows;
mod parties;
mod policies;
mod prices;
mod replacements;
mod reports;
mod requests;
mod roster_changes;
mod senders;
mod snapshot;
mod statements;
mod supposed;
mod sweeps;
mod tombstones;
mod travel;
mod whitelists;
mod withdrawals;

pub use attestations::{ATTEST_EVERY, Attestation};
pub(crate) use authority::Authority;
pub use authority::{ClientRevocation, PolicyRecord, UploadedPolicy};
use breakers::Counted;
pub(crate) use change::Change;
use exposures::Exposures;
use legal_orders::Orders;
use lists::Lists;
pub(crate) use lists::MAX_LIFTED;
pub use lists::{ListRecord, ListVersion, UrgentAddition, WaitingUpdate};
use prices::Prices;
use reports::Numbers;
use senders::AccountNonce;
pub use senders::Sender;
pub use snapshot::SnapshotError;
use supposed::Supposed;
pub use supposed::SupposedTrip;
use whitelists::Requests;
use withdrawals::Withdrawals;

/// Everything the log says, at one position.
///
/// The maps are persistent: a clone costs the same however long the log is and shares what neither side changes, so a caller
/// applies entries to a clone, makes them durable, and only then puts the clone in the original's place.
#[derive(Clone, Debug)]
pub struct State {
    genesis: Arc<Genesis>,
    authority: Arc<Authority>,
    lists: Lists,
    exposures: Exposures,
    size: u64,
    last_time: TimestampMs,
    wallets: OrdMap<WalletId, Arc<Wallet>>,
    withdrawals: Withdrawals,
    ceremonies: OrdMap<CeremonyId, Arc<Ceremony>>,
    whitelist: Whitelist,
    whitelist_requests: Requests,
    /// The newest report of each provider, in the order of their names.
    sessions: OrdMap<CustomerRef, Arc<Vec<SessionReport>>>,
    activity: Activity,
    numbers: OrdMap<ProviderId, Numbers>,
    prices: Prices,
    outflows: Outflows,
    breakers: Breakers,
    orders: Orders,
    statements: OrdSet<StatementDigest>,
    account_nonces: OrdMap<AccountNonce, WithdrawalId>,
    attestations: OrdMap<NodeId, Arc<Attestation>>,
    digest: StateDigest,
    digests: OrdMap<u64, StateDigest>,
    supposed: Option<Supposed>,
}

/// What one entry did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The entry's log index.
    pub index: u64,
    /// The entry's time.
    pub time: TimestampMs,
    /// Whether it changed anything.
    pub outcome: Outcome,
    /// What it says and who said it, verified.
    pub act: VerifiedAct,
}

/// Whether an entry changed anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect on these.
    Admitted(Admission),
    /// It stays in the log and does nothing, see [`Rejection::used_number`].
    Rejected(Rejection),
}

/// What an admitted entry touched: for those who watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// The withdrawal it changed.
    pub withdrawal: Option<WithdrawalId>,
    /// The withdrawal that gave way to that one.
    pub replaced: Option<WithdrawalId>,
    /// The whitelist entry or request for one that it changed, unless a ceremony added it.
    pub whitelist_entry: Option<WhitelistEntryId>,
    /// The ceremony it changed.
    pub ceremony: Option<CeremonyId>,
    /// The wallet it changed.
    pub wallet: Option<WalletId>,
    /// The legal order it opened, approved or confirmed.
    pub order: Option<LegalOrderId>,
    /// The client it revoked.
    pub client: Option<ClientId>,
    /// The roster it put in force.
    pub roster: Option<RosterVersion>,
    /// The policy it put in force.
    pub policy: Option<PolicyVersion>,
}

/// An entry that cannot be in an honest log: whoever meets it stops there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Its time is before the previous entry's.
    #[error("entry time {found} is before the previous entry's {previous}")]
    TimeRegress {
        /// The previous entry's time, ms.
        previous: u64,
        /// This entry's time, ms.
        found: u64,
    },
    /// It is not authentic.
    #[error(transparent)]
    Act(#[from] ActError),
    /// What it is judged by cannot be read. This says nothing about the entry: the replica is over, and so are its clones.
    #[error(transparent)]
    Page(#[from] PageFault),
}

impl ApplyError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            ApplyError::TimeRegress { .. } => "TIME_REGRESS",
            ApplyError::Act(error) => error.code(),
            ApplyError::Page(fault) => fault.code(),
        }
    }
}

impl State {
    /// The state after the first entry.
    ///
    /// # Errors
    /// [`GenesisError`] if the entry is not a complete, fully signed genesis document.
    pub fn from_genesis(entry: &Entry) -> Result<Self, GenesisError> {
        let genesis = Genesis::from_entry(entry)?;
        let lists = Lists::from_genesis(&genesis);
        let digest = StateDigest::of_genesis(&genesis.hash);
        let authority = Authority::from_genesis(&genesis);
        let mut outflows = Outflows::default();
        outflows.measure(&authority.policy);
        let mut breakers = Breakers::default();
        breakers.measure(&authority.policy);
        Ok(Self {
            authority: Arc::new(authority),
            genesis: Arc::new(genesis),
            lists,
            exposures: Exposures::none(),
            size: 1,
            last_time: TimestampMs(entry.time_ms()),
            wallets: OrdMap::new(),
            withdrawals: Withdrawals::default(),
            ceremonies: OrdMap::new(),
            whitelist: Whitelist::new(),
            whitelist_requests: Requests::default(),
            sessions: OrdMap::new(),
            activity: Activity::default(),
            numbers: OrdMap::new(),
            prices: Prices::default(),
            outflows,
            breakers,
            orders: Orders::default(),
            statements: OrdSet::new(),
            account_nonces: OrdMap::new(),
            attestations: OrdMap::new(),
            digest,
            digests: OrdMap::new(),
            supposed: None,
        })
    }

    /// Applies the next entry.
    ///
    /// # Errors
    /// [`ApplyError`] if no honest sequencer could have logged it; the state is unchanged then. [`ApplyError::Page`] if a page could
    /// not be read: no clone of this state takes another entry then.
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, ApplyError> {
        self.check_pages()?;
        let time = TimestampMs(entry.time_ms());
        if time < self.last_time {
            return Err(ApplyError::TimeRegress { previous: self.last_time.0, found: time.0 });
        }
        let act = verify_act(self.roster(), entry.envelope())?;
        let index = self.size;
        self.pack();
        self.each_outflows(|outflows| outflows.advance(time));
        let judged = self.admit(&act, index, time).map(|change| self.with_trips(change, index, time));
        // INVARIANT (G9, G10): no judgement is kept that was made without a page, and no record is begun anew in its place.
        self.check_pages()?;
        let digest = self.digest.then(index, time, &judged);
        let outcome = match judged {
            Ok(change) => Outcome::Admitted(self.write(change, time)),
            Err(rejection) => {
                if let Some((provider, number)) = rejection.used_number() {
                    self.refuse_number(provider.clone(), number);
                }
                Outcome::Rejected(rejection)
            }
        };
        self.check_pages()?;
        self.digest = digest;
        self.size = self.size.saturating_add(1);
        self.last_time = time;
        self.keep_digest();
        Ok(Applied { index, time, outcome, act })
    }

    fn check_pages(&self) -> Result<(), PageFault> {
        self.page_fault().map_or(Ok(()), Err)
    }

    /// What [`State::apply`] would say to this envelope now, without changing anything: sequencers use it to answer
    /// callers before they log.
    ///
    /// # Errors
    /// [`ActError`] if the envelope is not authentic.
    pub fn check(&self, envelope: &Envelope, now: TimestampMs) -> Result<Result<(), Rejection>, ActError> {
        let act = verify_act(self.roster(), envelope)?;
        Ok(self.admit(&act, self.size, now.max(self.last_time)).map(|_| ()))
    }

    fn admit(&self, act: &VerifiedAct, index: u64, time: TimestampMs) -> Result<Change, Rejection> {
        let act = act.act().map_err(Clone::clone)?;
        self.judge(act, index, time).map_err(|rejection| self.with_number(act, rejection))
    }

    /// One arm for each act; nothing else changes state.
    fn judge(&self, act: &Act, index: u64, time: TimestampMs) -> Result<Change, Rejection> {
        if let Some(client) = act.client() {
            self.check_not_revoked(client)?;
        }
        match act {
            Act::Request(request, digest) => self.admit_request(request, *digest, index, time),
            Act::Bind(bind) => self.admit_bind(bind, index, time),
            Act::Cancel(cancel) => self.admit_cancel(cancel, index, time),
            Act::Replace(request, digest) => self.admit_replacement(request, *digest, index, time),
            Act::Sweep(request, digest) => self.admit_sweep(request, *digest, index, time),
            Act::Outcome(report) => self.admit_outcome(report, index, time),
            Act::Tombstone(tombstone) => self.admit_tombstone(tombstone, index, time),
            Act::AskEntry(request, digest) => self.admit_whitelist_request(request, *digest, index, time),
            Act::TakeBackEntry(revocation) => self.admit_whitelist_revocation(revocation, time),
            Act::Session(report) => self.admit_session(report, time),
            Act::Customer(report) => self.admit_customer(report, time),
            Act::Price(report) => self.admit_price(report, time),
            Act::Identity(report) => self.admit_identity(report, index, time),
            Act::Travel(report) => self.admit_travel(report, index, time),
            Act::OrderConfirmation(confirmation) => self.admit_order_confirmation(confirmation, index, time),
            Act::Statement { statement, text, digest } => {
                self.admit_statement(statement, text, *digest, index, time)
            }
            Act::Confirmation(confirmation) => self.admit_confirmation(confirmation),
            Act::Activate(activated) => self.admit_activation(activated, index),
            Act::Authorize(authorize) => self.admit_authorize(authorize, index, time),
            Act::Signature(signature) => self.admit_signature(signature, index, time),
            Act::Attestation(attestation) => self.admit_attestation(attestation, index, time),
            Act::Erased(erased) => self.admit_erasure(erased, index, time),
            Act::Policy(upload) => self.admit_policy(upload, index),
            Act::ScreeningUpdate(update) => self.admit_screening_update(update, index),
            Act::ScreeningPart(part) => self.admit_screening_part(part, index),
            Act::Exposure(report) => self.admit_exposure(report, time),
        }
    }

    /// INVARIANT (G1): a payload made for another cell never acts in this one.
    fn check_cluster(&self, cluster: &ClusterId) -> Result<(), Rejection> {
        if cluster == self.cluster() {
            return Ok(());
        }
        let detail = format!("made for cluster `{cluster}`, this is `{}`", self.cluster());
        Err(Rejection::new(RejectionCode::ClusterMismatch, detail).with_field("cluster"))
    }

    /// The cell's id.
    pub fn cluster(&self) -> &ClusterId {
        self.roster().cluster()
    }

    /// The genesis document: what the cell began with. Roster and policy in force are [`State::roster`] and [`State::policy`].
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Entries applied.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Time of the last entry.
    pub fn last_time(&self) -> TimestampMs {
        self.last_time
    }

    /// The wallet of this name, once it is active.
    pub fn wallet(&self, id: &WalletId) -> Option<&Wallet> {
        self.wallets.get(id).map(Arc::as_ref)
    }

    /// All active wallets, by name.
    pub fn wallets(&self) -> impl Iterator<Item = &Wallet> {
        self.wallets.values().map(Arc::as_ref)
    }

    /// The withdrawal with this id.
    pub fn withdrawal(&self, id: &WithdrawalId) -> Option<&Withdrawal> {
        self.withdrawals.get(id)
    }

    /// All withdrawals, by id. Reads each anew: for reports.
    pub fn withdrawals(&self) -> impl Iterator<Item = Arc<Withdrawal>> {
        self.withdrawals.after(None)
    }

    /// Withdrawals with an id after `after`, by id: for paging.
    pub fn withdrawals_after(&self, after: Option<WithdrawalId>) -> impl Iterator<Item = Arc<Withdrawal>> {
        self.withdrawals.after(after)
    }

    /// Withdrawals that are not signed, denied, cancelled, replaced or tombstoned, by id.
    pub fn open_withdrawals(&self) -> impl Iterator<Item = &Withdrawal> {
        self.withdrawals.open()
    }

    /// How many withdrawals there are.
    pub fn withdrawal_count(&self) -> usize {
        self.withdrawals.len()
    }

    /// The ceremony with this id.
    pub fn ceremony(&self, id: &CeremonyId) -> Option<&Ceremony> {
        self.ceremonies.get(id).map(Arc::as_ref)
    }

    /// All ceremonies, by id.
    pub fn ceremonies(&self) -> impl Iterator<Item = &Ceremony> {
        self.ceremonies.values().map(Arc::as_ref)
    }

    /// All whitelist entries ever added, by id.
    pub fn whitelist(&self) -> impl Iterator<Item = &WhitelistEntry> {
        self.whitelist.iter()
    }

    /// Whether this exact statement has acted.
    pub fn statement_acted(&self, digest: &StatementDigest) -> bool {
        self.statements.contains(digest)
    }
}

#[cfg(test)]
mod tests;
