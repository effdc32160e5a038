//! Owns what legal orders mean for one withdrawal: who froze what, and which orders demand that its destination be paid. Only
//! facts; `evaluate/legal_order.rs` decides.

use holdfast_chains::{Amount, AssetSymbol};

use crate::ids::{AgencyId, LegalOrderId, WalletId};

/// What the log's legal orders say about one withdrawal at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LegalFacts {
    /// Freezes in force of its wallet, its customer or its destination.
    pub freezes: Vec<Freeze>,
    /// Orders that demand a payment to its destination and have neither lapsed nor been paid: those, and the one it names.
    pub releases: Vec<Release>,
}

/// A freeze in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Freeze {
    /// What it stops.
    pub subject: FrozenSubject,
    /// The order.
    pub order: LegalOrderId,
    /// On whose order.
    pub agency: AgencyId,
}

/// What a freeze stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrozenSubject {
    /// The wallet that pays.
    Wallet,
    /// The customer.
    Customer,
    /// Who is paid.
    Destination,
}

/// An order that demands a payment to the withdrawal's destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The order.
    pub order: LegalOrderId,
    /// Whose order.
    pub agency: AgencyId,
    /// From which wallet.
    pub wallet: WalletId,
    /// In which asset.
    pub asset: AssetSymbol,
    /// How much, in base units, exactly.
    pub amount: Amount,
    /// How far it has come.
    pub standing: ReleaseStanding,
}

/// How far an order that demands a payment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseStanding {
    /// Officers of two roles or two contacts of the agency have not confirmed it, or it lapsed before they did.
    Unconfirmed,
    /// They have.
    Confirmed,
    /// Another withdrawal was authorized on its strength.
    Paid,
}
