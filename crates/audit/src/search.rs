//! Searching: the entries that match every given filter.
//!
//! The same filters as `AuditService.Search`, over a replay: what is found here is all there is.

use holdfast_ledger::{Event, WithdrawalId};
use holdfast_policy::{ClientId, Decision, OfficerId, Outcome, TimestampMs, WalletId};
use serde::Serialize;

use crate::history::says;

/// What to look for. Filters that are absent let everything pass.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Entries of this time or later.
    pub from: Option<TimestampMs>,
    /// Entries before this time.
    pub to: Option<TimestampMs>,
    /// Entries that this client signed, or about a withdrawal of this client.
    pub client: Option<ClientId>,
    /// Entries about this wallet, or about a withdrawal of this wallet.
    pub wallet: Option<WalletId>,
    /// Entries about this withdrawal, the authorization of one in its place included.
    pub withdrawal: Option<WithdrawalId>,
    /// Entries that this officer signed.
    pub officer: Option<OfficerId>,
    /// Entries of this kind, or statements with this action.
    pub kind: Option<String>,
    /// Entries that took effect, or that did not.
    pub effect: Option<Effect>,
    /// Entries after which the decision about their withdrawal was this one.
    pub outcome: Option<Decided>,
    /// Entries with this reason: why they were refused, or one of those of the decision that they led to.
    pub code: Option<String>,
}

/// Whether an entry took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It took effect.
    Applied,
    /// It changed nothing.
    Refused,
}

/// A decision's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// Allowed.
    Allow,
    /// Held.
    Hold,
    /// Denied.
    Deny,
}

/// An entry that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// Its log index.
    pub index: u64,
    /// Its time, ms.
    pub time_ms: u64,
    /// The same as people read it.
    pub time: String,
    /// Kind of payload.
    pub kind: String,
    /// A statement's action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Who signed it: `<role>:<name>`.
    pub signer: String,
    /// Whether it took effect.
    pub effect: Effect,
    /// The decision about its withdrawal after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Decided>,
    /// Why it was refused, or the main reason of the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The refusal in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Its withdrawal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<String>,
    /// Its client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Its wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallet: Option<String>,
    /// What it says, in words.
    pub says: String,
    /// Leaf hash, hex.
    pub leaf_hash: String,
}

impl Decided {
    /// The outcome of a decision.
    pub fn of(decision: &Decision) -> Self {
        match decision.outcome {
            Outcome::Allow => Self::Allow,
            Outcome::Hold(_) => Self::Hold,
            Outcome::Deny => Self::Deny,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

impl Effect {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

impl Query {
    /// The hit, if the event matches every filter.
    pub fn hit(&self, event: &Event<'_>) -> Option<Hit> {
        let time = event.applied.time;
        let in_time = self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to);
        if !in_time || !self.is_about(event) || !self.came_of_it(event) {
            return None;
        }
        Some(Hit::of(event))
    }

    fn is_about(&self, event: &Event<'_>) -> bool {
        let officer = |officer: &OfficerId| event.signer().strip_prefix("officer:") == Some(officer.as_str());
        let kind = |kind: &String| event.kind_name() == kind || event.action() == Some(kind);
        self.client.as_ref().is_none_or(|client| event.client() == Some(client.as_str()))
            && self.wallet.as_ref().is_none_or(|wallet| event.wallet() == Some(wallet))
            && self.withdrawal.is_none_or(|id| event.withdrawal == Some(id) || event.replaced() == Some(id))
            && self.officer.as_ref().is_none_or(officer)
            && self.kind.as_ref().is_none_or(kind)
    }

    fn came_of_it(&self, event: &Event<'_>) -> bool {
        let effect = effect_of(event);
        self.effect.is_none_or(|wanted| wanted == effect)
            && self.outcome.is_none_or(|wanted| outcome_of(event) == Some(wanted))
            && self.code.as_ref().is_none_or(|code| event.codes().contains(&code.as_str()))
    }
}

impl Hit {
    fn of(event: &Event<'_>) -> Self {
        Self {
            index: event.index(),
            time_ms: event.time_ms(),
            time: event.applied.time.to_string(),
            kind: event.kind_name().to_owned(),
            action: event.action().map(str::to_owned),
            signer: event.signer().to_owned(),
            effect: effect_of(event),
            outcome: outcome_of(event),
            code: event.codes().first().map(|code| (*code).to_owned()),
            detail: event.rejection().map(|rejection| rejection.detail().to_owned()),
            withdrawal: event.withdrawal.map(|id| id.to_string()),
            client: event.client().map(str::to_owned),
            wallet: event.wallet().map(ToString::to_string),
            says: says::event(event),
            leaf_hash: event.entry.leaf_hash().to_hex(),
        }
    }

    /// Names of the columns of [`Self::cells`].
    pub const COLUMNS: [&'static str; 14] = [
        "index",
        "time",
        "kind",
        "action",
        "signer",
        "effect",
        "outcome",
        "code",
        "detail",
        "withdrawal",
        "client",
        "wallet",
        "says",
        "leaf_hash",
    ];

    /// The hit as a row of a table.
    pub fn cells(&self) -> [String; 14] {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            self.index.to_string(),
            self.time.clone(),
            self.kind.clone(),
            text(&self.action),
            self.signer.clone(),
            self.effect.as_str().to_owned(),
            self.outcome.map(Decided::as_str).unwrap_or_default().to_owned(),
            text(&self.code),
            text(&self.detail),
            text(&self.withdrawal),
            text(&self.client),
            text(&self.wallet),
            self.says.clone(),
            self.leaf_hash.clone(),
        ]
    }
}

fn effect_of(event: &Event<'_>) -> Effect {
    if event.rejection().is_some() { Effect::Refused } else { Effect::Applied }
}

fn outcome_of(event: &Event<'_>) -> Option<Decided> {
    event.withdrawal_after().map(|withdrawal| Decided::of(&withdrawal.decision))
}
