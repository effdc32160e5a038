//! Legal orders: what an agency demands, who confirmed that it really does, and how far that has come.
//!
//! | state | accepts | next |
//! |---|---|---|
//! | open | an officer's approval, a contact's confirmation | open, confirmed, lapsed |
//! | confirmed | for a freeze: a confirmed order to unfreeze | lifted |
//! | lapsed, lifted | nothing | |
//!
//! A freeze stops payments while it is open or confirmed: one officer begins it, and without a quorum it lapses. Every other order
//! moves nothing before officers of two roles and two registered contacts of the agency confirmed it. The document itself is never
//! in the log, only its hash.

use std::fmt;
use std::str::FromStr;

use holdfast_chains::{Address, Amount, AssetSymbol, ChainId};
use holdfast_policy::{
    AgencyId, ClusterId, ContactId, CustomerRef, LegalOrderId, OfficerId, TimestampMs, WalletId,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ceremony::{CeremonyApproval, QuorumMet};
use crate::ids::{DocumentDigest, WithdrawalId};
use crate::statement::{Lines, StatementError};

mod confirmation;

pub use confirmation::OrderConfirmation;

const MAX_REFERENCE_CHARS: usize = 64;
/// How many of an agency's contacts must confirm what is not a freeze.
pub const CONTACTS_NEEDED: usize = 2;

/// An agency's own name for an order: 1 to 64 of `A-Z a-z 0-9 . _ / -`, the first a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderReference(String);

/// What an order demands of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderProposal {
    /// Whose order it is.
    pub agency: AgencyId,
    /// The agency's reference.
    pub reference: OrderReference,
    /// SHA-256 of the document.
    pub document: DocumentDigest,
    /// What it demands.
    pub demand: OrderDemand,
}

/// What an order demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderDemand {
    /// Nothing is paid from, for or to this.
    Freeze(OrderSubject),
    /// A freeze of the same agency ends.
    Unfreeze(LegalOrderId),
    /// Exactly this is paid to the agency, by an ordinary withdrawal that names the order.
    Release(ReleaseDemand),
    /// What is known about this is told to the agency.
    Disclose(OrderSubject),
}

/// What a freeze stops, or a disclosure is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderSubject {
    /// A wallet.
    Wallet(WalletId),
    /// A customer.
    Customer(CustomerRef),
    /// An address on a chain.
    Destination(ChainId, Address),
}

/// A payment that an order demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseDemand {
    /// The wallet that pays.
    pub wallet: WalletId,
    /// The asset.
    pub asset: AssetSymbol,
    /// How much, in base units, exactly.
    pub amount: Amount,
    /// The chain.
    pub chain_id: ChainId,
    /// Who is paid.
    pub address: Address,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderState {
    /// Waits for officers and contacts; a freeze is in force.
    Open,
    /// Officers, and the agency's contacts where they are needed, confirmed it.
    Confirmed,
    /// Not confirmed in time: it means nothing any more.
    Lapsed,
    /// A freeze that a later order ended.
    Lifted,
}

/// One contact's confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactConfirmation {
    /// Who.
    pub contact: ContactId,
    /// When, by the entry's time.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// A legal order with everything the log says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegalOrder {
    /// Derived from the digest. Of an agency's orders under one reference at most one is ever confirmed.
    pub id: LegalOrderId,
    /// What it demands.
    pub proposal: OrderProposal,
    /// SHA-256 that names all of it; see [`OrderProposal::digest`].
    pub digest: DocumentDigest,
    /// Who opened it.
    pub opened_by: OfficerId,
    /// When, by the entry's time.
    pub time: TimestampMs,
    /// Log index of its opening.
    pub index: u64,
    /// From this time on it means nothing unless it was confirmed.
    pub lapses_at: TimestampMs,
    /// Which officers approved it.
    pub approvals: Vec<CeremonyApproval>,
    /// Which contacts of the agency confirmed it.
    pub confirmations: Vec<ContactConfirmation>,
    /// Where it was confirmed.
    pub confirmed: Option<QuorumMet>,
    /// The order that lifted it, for a freeze.
    pub lifted_by: Option<LegalOrderId>,
    /// The withdrawal that was authorized on its strength, the first one of its line.
    pub paid_by: Option<WithdrawalId>,
}

impl LegalOrder {
    /// The state at a given time.
    pub fn state_at(&self, now: TimestampMs) -> OrderState {
        match (&self.lifted_by, &self.confirmed) {
            (Some(_), _) => OrderState::Lifted,
            (None, Some(_)) => OrderState::Confirmed,
            (None, None) if now >= self.lapses_at => OrderState::Lapsed,
            (None, None) => OrderState::Open,
        }
    }

    /// Whether it is a freeze that stops payments at this time.
    pub fn freezes_at(&self, now: TimestampMs) -> bool {
        matches!(self.proposal.demand, OrderDemand::Freeze(_))
            && matches!(self.state_at(now), OrderState::Open | OrderState::Confirmed)
    }

    /// Where the payment goes that it demands, if it demands one.
    pub(crate) fn demanded_at(&self) -> Option<(ChainId, Address)> {
        match &self.proposal.demand {
            OrderDemand::Release(demand) => Some((demand.chain_id, demand.address)),
            OrderDemand::Freeze(_) | OrderDemand::Unfreeze(_) | OrderDemand::Disclose(_) => None,
        }
    }

    /// What it stops before anybody confirmed it.
    pub(crate) fn stops(&self) -> Option<OrderSubject> {
        self.proposal.demand.stops()
    }

    /// How many of the agency's contacts must confirm it.
    pub fn contacts_needed(&self) -> usize {
        match self.proposal.demand {
            OrderDemand::Freeze(_) => 0,
            OrderDemand::Unfreeze(_) | OrderDemand::Release(_) | OrderDemand::Disclose(_) => CONTACTS_NEEDED,
        }
    }
}

impl OrderProposal {
    /// The order's id in a cell.
    pub fn id(&self, cluster: &ClusterId) -> Option<LegalOrderId> {
        crate::ids::legal_order_id(&self.digest(cluster))
    }

    /// SHA-256 of `Holdfast legal order v1`, the cell and the order's lines as statements show them, each with a line feed.
    pub fn digest(&self, cluster: &ClusterId) -> DocumentDigest {
        let mut lines = Lines::new("Holdfast legal order v1");
        lines.push("cluster", cluster.as_str());
        for (key, value) in self.lines() {
            lines.push(key, &value);
        }
        DocumentDigest::of(lines.finish().as_bytes())
    }

    /// Its lines in statements and confirmations.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("agency", self.agency.to_string()),
            ("reference", self.reference.to_string()),
            ("document", self.document.to_string()),
            ("demands", self.demand.name().to_owned()),
        ];
        lines.extend(self.demand.lines());
        lines
    }
}

impl OrderDemand {
    /// `freeze`, `unfreeze`, `release` or `disclose`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Freeze(_) => "freeze",
            Self::Unfreeze(_) => "unfreeze",
            Self::Release(_) => "release",
            Self::Disclose(_) => "disclose",
        }
    }

    /// What it stops before anybody confirmed it: what is frozen, and the ordinary way to an address that it wants paid.
    pub(crate) fn stops(&self) -> Option<OrderSubject> {
        match self {
            Self::Freeze(subject) => Some(subject.clone()),
            Self::Release(demand) => Some(OrderSubject::Destination(demand.chain_id, demand.address)),
            Self::Unfreeze(_) | Self::Disclose(_) => None,
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Freeze(subject) | Self::Disclose(subject) => subject.lines(),
            Self::Unfreeze(order) => vec![("frozen by order", order.to_string())],
            Self::Release(demand) => vec![
                ("wallet", demand.wallet.to_string()),
                ("asset", demand.asset.to_string()),
                ("base units", demand.amount.to_string()),
                ("chain id", demand.chain_id.to_string()),
                ("address", demand.address.to_string()),
            ],
        }
    }
}

impl OrderSubject {
    fn lines(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Wallet(wallet) => vec![("wallet", wallet.to_string())],
            Self::Customer(customer) => vec![("customer", customer.to_string())],
            Self::Destination(chain_id, address) => {
                vec![("chain id", chain_id.to_string()), ("address", address.to_string())]
            }
        }
    }
}

impl fmt::Display for OrderSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(wallet) => write!(f, "wallet `{wallet}`"),
            Self::Customer(customer) => write!(f, "customer `{customer}`"),
            Self::Destination(chain_id, address) => write!(f, "{address} on chain {chain_id}"),
        }
    }
}

impl OrderReference {
    /// The reference's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrderReference {
    type Err = StatementError;
    fn from_str(text: &str) -> Result<Self, StatementError> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
        if begins && text.len() <= MAX_REFERENCE_CHARS && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        let detail = "1 to 64 of `A-Z a-z 0-9 . _ / -`, the first a letter or digit";
        Err(StatementError::new("reference", detail))
    }
}

impl fmt::Display for OrderReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for OrderReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OrderReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
