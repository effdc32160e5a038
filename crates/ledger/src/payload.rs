//! What entries say: the signed payloads, one type each, parsed strictly (unknown and repeated members are refused).
//!
//! Payloads are stored and verified as received and never re-encoded; these types are only their reading.

use holdfast_chains::{AssetSymbol, Digest, PublicKey, Signature};
use holdfast_log::{Hash, PayloadType};
use holdfast_policy::{
    ClientId, ClusterId, CustomerRef, MicroUsd, NodeId, ProviderId, SessionDetails, SessionSignals,
    TimestampMs, WalletId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::{CeremonyId, StateDigest, WithdrawalId};
use crate::rejection::{Rejection, RejectionCode};

mod aftermath;
mod exposure;
mod identity;
mod replacement;
mod request;
mod screening;
mod sweep;
mod travel;
mod whitelist;

pub use aftermath::{ChainOutcome, OutcomeReport, Tombstone};
pub use exposure::ExposureReport;
pub use identity::{IdentityReport, IdentitySubject};
pub use replacement::{ReplacementAction, ReplacementRequest};
pub use request::{BindTransaction, WithdrawalRequest};
pub use screening::{PART_ADDRESSES, ScreeningPart, ScreeningUpdate};
pub use sweep::SweepRequest;
pub use travel::TravelRuleReport;
pub use whitelist::{WhitelistRequest, WhitelistRevocation};

/// Which payload an envelope carries; the text form is the envelope's `payloadType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PayloadKind {
    /// The genesis document: first entry only.
    Genesis,
    /// An officer's statement.
    Statement,
    /// A client's request for a withdrawal.
    WithdrawalRequest,
    /// A client's unsigned transaction for an earlier request.
    BindTransaction,
    /// A client's cancellation.
    CancelWithdrawal,
    /// A client's request for a whitelist entry of its customer.
    WhitelistRequest,
    /// A client takes back what it asked for at one destination of a customer.
    WhitelistRevocation,
    /// A provider's report on a customer's session.
    SessionReport,
    /// A provider's report on when a customer's account was opened.
    CustomerReport,
    /// A provider's report on what an asset is worth.
    PriceReport,
    /// A provider's attestation that a customer asked for exactly one thing.
    IdentityAttestation,
    /// A node's confirmation of a key generation.
    KeygenConfirmation,
    /// The commit point of a wallet's epoch.
    EpochActivated,
    /// The coordinator's request to authorize a withdrawal.
    Authorize,
    /// The canonical signature of an authorized withdrawal.
    SignatureLogged,
    /// A node's digest of its state at a multiple of [`crate::ATTEST_EVERY`] entries.
    StateAttestation,
    /// A policy document, without effect until a ceremony activates it.
    PolicyDocument,
    /// A client's request to replace an authorized or signed withdrawal.
    ReplacementRequest,
    /// A client's request to sweep a deposit address.
    SweepRequest,
    /// A client's report of what became of a signed transaction.
    OutcomeReport,
    /// A node's oath never to sign a withdrawal.
    Tombstone,
    /// An update of a screening list, without effect until a ceremony puts it in force.
    ScreeningUpdate,
    /// Some of the addresses of such an update.
    ScreeningPart,
    /// A provider's report on how far a destination is exposed to crime.
    ExposureReport,
    /// A provider's report on the Travel Rule exchange about a withdrawal.
    TravelRuleReport,
    /// A contact of an agency confirms a legal order.
    OrderConfirmation,
    /// A node's word that it has no old shares of a wallet any more.
    SharesErased,
}

impl PayloadKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [PayloadKind; 27] = [
        PayloadKind::Genesis,
        PayloadKind::Statement,
        PayloadKind::WithdrawalRequest,
        PayloadKind::BindTransaction,
        PayloadKind::CancelWithdrawal,
        PayloadKind::WhitelistRequest,
        PayloadKind::WhitelistRevocation,
        PayloadKind::SessionReport,
        PayloadKind::CustomerReport,
        PayloadKind::PriceReport,
        PayloadKind::IdentityAttestation,
        PayloadKind::KeygenConfirmation,
        PayloadKind::EpochActivated,
        PayloadKind::Authorize,
        PayloadKind::SignatureLogged,
        PayloadKind::StateAttestation,
        PayloadKind::PolicyDocument,
        PayloadKind::ReplacementRequest,
        PayloadKind::SweepRequest,
        PayloadKind::OutcomeReport,
        PayloadKind::Tombstone,
        PayloadKind::ScreeningUpdate,
        PayloadKind::ScreeningPart,
        PayloadKind::ExposureReport,
        PayloadKind::TravelRuleReport,
        PayloadKind::OrderConfirmation,
        PayloadKind::SharesErased,
    ];

    /// The DSSE `payloadType`.
    pub fn as_str(self) -> &'static str {
        match self {
            PayloadKind::Genesis => "application/vnd.holdfast.genesis.v1+json",
            PayloadKind::Statement => "text/vnd.holdfast.statement.v1",
            PayloadKind::WithdrawalRequest => "application/vnd.holdfast.withdrawal-request.v1+json",
            PayloadKind::BindTransaction => "application/vnd.holdfast.bind-transaction.v1+json",
            PayloadKind::CancelWithdrawal => "application/vnd.holdfast.cancel-withdrawal.v1+json",
            PayloadKind::WhitelistRequest => "application/vnd.holdfast.whitelist-request.v1+json",
            PayloadKind::WhitelistRevocation => "application/vnd.holdfast.whitelist-revocation.v1+json",
            PayloadKind::SessionReport => "application/vnd.holdfast.session-report.v1+json",
            PayloadKind::CustomerReport => "application/vnd.holdfast.customer-report.v1+json",
            PayloadKind::PriceReport => "application/vnd.holdfast.price-report.v1+json",
            PayloadKind::IdentityAttestation => "application/vnd.holdfast.identity-attestation.v1+json",
            PayloadKind::KeygenConfirmation => "application/vnd.holdfast.keygen-confirmation.v1+json",
            PayloadKind::EpochActivated => "application/vnd.holdfast.epoch-activated.v1+json",
            PayloadKind::Authorize => "application/vnd.holdfast.authorize.v1+json",
            PayloadKind::SignatureLogged => "application/vnd.holdfast.signature.v1+json",
            PayloadKind::StateAttestation => "application/vnd.holdfast.state-attestation.v1+json",
            PayloadKind::PolicyDocument => "application/vnd.holdfast.policy-document.v1+json",
            PayloadKind::ReplacementRequest => "application/vnd.holdfast.replacement-request.v1+json",
            PayloadKind::SweepRequest => "application/vnd.holdfast.sweep-request.v1+json",
            PayloadKind::OutcomeReport => "application/vnd.holdfast.outcome-report.v1+json",
            PayloadKind::Tombstone => "application/vnd.holdfast.tombstone.v1+json",
            PayloadKind::ScreeningUpdate => "application/vnd.holdfast.screening-update.v1+json",
            PayloadKind::ScreeningPart => "application/vnd.holdfast.screening-part.v1+json",
            PayloadKind::ExposureReport => "application/vnd.holdfast.exposure-report.v1+json",
            PayloadKind::TravelRuleReport => "application/vnd.holdfast.travel-rule-report.v1+json",
            PayloadKind::OrderConfirmation => "text/vnd.holdfast.order-confirmation.v1",
            PayloadKind::SharesErased => "application/vnd.holdfast.shares-erased.v1+json",
        }
    }

    /// Its name for people and searches: `withdrawal-request`.
    pub fn short_name(self) -> &'static str {
        let name = self.as_str();
        let name = name.split_once("vnd.holdfast.").map_or(name, |(_, rest)| rest);
        name.split_once(".v1").map_or(name, |(name, _)| name)
    }

    /// The DSSE `payloadType` as an envelope carries it.
    pub fn payload_type(self) -> PayloadType {
        PayloadType::from_static(self.as_str())
    }

    /// The kind with this `payloadType`, if the active rules know it.
    pub fn parse(payload_type: &str) -> Option<PayloadKind> {
        PayloadKind::ALL.into_iter().find(|kind| kind.as_str() == payload_type)
    }
}

/// The DSSE `keyid` of a signer: `<role>:<name>`.
pub fn key_id(role: &str, name: &str) -> String {
    format!("{role}:{name}")
}

/// Cancels a withdrawal that is not authorized yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelWithdrawal {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The client that asked for the withdrawal.
    pub client: ClientId,
    /// The withdrawal to cancel.
    pub withdrawal: WithdrawalId,
}

/// What a provider observed of one customer's session. Sequence numbers are gapless from 1 for each provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The provider that observed the session.
    pub provider: ProviderId,
    /// 1 for the provider's first report, then one more each time: a dropped report is noticed.
    pub sequence: u64,
    /// Whose session.
    pub customer: CustomerRef,
    /// When the provider observed it.
    pub observed_at_ms: TimestampMs,
    /// The session runs on a device not seen before.
    pub new_device: bool,
    /// A second factor was reset within the provider's look-back window.
    pub second_factor_reset: bool,
    /// What else the provider can tell; a signal that is absent is unknown.
    #[serde(default, skip_serializing_if = "SessionDetails::is_empty")]
    pub details: SessionDetails,
}

impl SessionReport {
    /// What it says, as policy reads it.
    pub fn signals(&self) -> SessionSignals {
        SessionSignals {
            new_device: self.new_device,
            second_factor_reset: self.second_factor_reset,
            details: self.details.clone(),
            observed_at: self.observed_at_ms,
            provider: self.provider.clone(),
        }
    }
}

/// Since when a customer has an account, told by a provider. Sequence numbers are shared with the provider's other reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The provider that reports.
    pub provider: ProviderId,
    /// 1 for the provider's first report, then one more each time: a dropped report is noticed.
    pub sequence: u64,
    /// Whose account.
    pub customer: CustomerRef,
    /// When the account was opened.
    pub opened_at_ms: TimestampMs,
    /// The last sign of life before this log began, for accounts that are older than the log; not before `opened_at_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active_at_ms: Option<TimestampMs>,
    /// When the provider looked.
    pub observed_at_ms: TimestampMs,
}

/// What one whole unit of an asset is worth, observed by a provider. Sequence numbers are shared with the provider's other
/// reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The provider that observed the price.
    pub provider: ProviderId,
    /// 1 for the provider's first report, then one more each time: a dropped report is noticed.
    pub sequence: u64,
    /// The asset.
    pub asset: AssetSymbol,
    /// Millionths of a US dollar for one whole unit.
    pub price_micro_usd: MicroUsd,
    /// When the provider observed it.
    pub observed_at_ms: TimestampMs,
}

/// One node's confirmation that a key generation or migration ended with this public result and that its share survived a restore
/// from its backup. An epoch is activated only when all n confirmations agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeygenConfirmation {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The approved ceremony.
    pub ceremony: CeremonyId,
    /// The confirming node.
    pub node: NodeId,
    /// The wallet whose shares they are.
    pub wallet: WalletId,
    /// Their epoch: 0 at creation, 1 if the key was imported, the next one in a migration.
    pub epoch: u32,
    /// Engine and generation of its message formats.
    pub engine: String,
    /// The joint public key, SEC1 compressed.
    pub public_key: PublicKey,
    /// BIP-32 chain code, 32 bytes.
    pub chain_code: Digest,
    /// Verifying share of each party in committee order, SEC1 compressed.
    pub verifying_shares: Vec<PublicKey>,
    /// Hash of the key generation's transcript as this node saw it.
    pub transcript: Digest,
    /// The node restored its sealed backup and the share matched its verifying share.
    pub backup_restored: bool,
}

/// The only commit point of a wallet's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochActivated {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The confirmed ceremony.
    pub ceremony: CeremonyId,
    /// The wallet.
    pub wallet: WalletId,
    /// The epoch that becomes active.
    pub epoch: u32,
}

/// A node's word that neither its store nor its backups have a share of the wallet of this epoch or of any before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharesErased {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Its incarnation in the roster.
    pub incarnation: u32,
    /// The wallet.
    pub wallet: WalletId,
    /// An epoch that is over.
    pub epoch: u32,
}

/// Asks the state machine to authorize: it evaluates again at the entry's time, and only its result counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// The digests that may be signed, in order; must be those the state machine computed itself.
    pub digests: Vec<Digest>,
}

/// A valid signature over an authorized digest; the first one logged is canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureLogged {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// Index into the authorization's digests.
    pub digest_index: u32,
    /// r, s and y parity.
    pub signature: Signature,
    /// The nodes that made it, sorted.
    pub signers: Vec<NodeId>,
}

/// What a node's state was at one size of the log, so that nodes which judge differently notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateAttestation {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Its incarnation in the roster.
    pub incarnation: u32,
    /// Entries applied: a multiple of [`crate::ATTEST_EVERY`].
    pub size: u64,
    /// Root of the tree of that size, for auditors.
    pub root: Hash,
    /// [`crate::State::digest`] at that size.
    pub state_digest: StateDigest,
}

/// A policy document for a ceremony to activate. Who uploaded it does not matter: officers approve its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyUpload {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The document, TOML, exactly as it is hashed.
    pub policy: String,
}

/// Parses a payload strictly; the rejection names the member at fault.
pub(crate) fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Rejection> {
    // Objects only: the parser would read an array as a struct's members in order, which other people's tools would not.
    if payload.first() != Some(&b'{') {
        return Err(Rejection::new(
            RejectionCode::FieldInvalid,
            "the payload must be one JSON object and begin with `{`",
        ));
    }
    // Finding the path of a member at fault takes twice as long: only when there is one.
    serde_json::from_slice(payload).or_else(|_| parse_to_explain(payload))
}

/// The same reading, with the path of the member at fault.
fn parse_to_explain<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_slice(payload);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        Rejection::new(RejectionCode::FieldInvalid, error.inner().to_string()).with_field(&path)
    })?;
    deserializer
        .end()
        .map_err(|_| Rejection::new(RejectionCode::FieldInvalid, "bytes follow the payload's JSON object"))?;
    Ok(parsed)
}
