//! From an envelope to an authenticated act: who speaks, and what they say.
//!
//! Two kinds of failure are kept apart. A bad signature, an unknown signer or an unknown payload type cannot come from
//! an honest sequencer, so the entry is refused and a node stops there. An authentic payload that makes no sense is its
//! signer's slip: it stays in the log as a no-op.

use holdfast_log::Envelope;
use holdfast_policy::{ClientId, ClusterId, ContactId, NodeId, OfficerId, ProviderId};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::ids::StatementDigest;
use crate::legal_order::OrderConfirmation;
use crate::officer_key::{OFFICER_NAMESPACE, ORDER_NAMESPACE};
use crate::payload::{
    Authorize, BindTransaction, CancelWithdrawal, CustomerReport, EpochActivated, ExposureReport,
    IdentityReport, KeygenConfirmation, OutcomeReport, PayloadKind, PolicyUpload, PriceReport,
    ReplacementRequest, ScreeningPart, ScreeningUpdate, SessionReport, SharesErased, SignatureLogged,
    StateAttestation, SweepRequest, Tombstone, TravelRuleReport, WhitelistRequest, WhitelistRevocation,
    WithdrawalRequest, parse,
};
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::Roster;
use crate::statement::Statement;

/// What an authenticated party says.
#[derive(Clone, Debug)]
pub enum Act {
    /// An officer's statement, with its exact text.
    Statement {
        /// The parsed statement.
        statement: Statement,
        /// The exact bytes that the officer signed.
        text: String,
        /// Their digest.
        digest: StatementDigest,
    },
    /// A client's request, with the digest of its exact payload.
    Request(Box<WithdrawalRequest>, [u8; 32]),
    /// A client's transaction.
    Bind(BindTransaction),
    /// A client's cancellation.
    Cancel(CancelWithdrawal),
    /// A client's request for a whitelist entry, with the digest of its exact payload.
    AskEntry(Box<WhitelistRequest>, [u8; 32]),
    /// A client takes back whitelist entries.
    TakeBackEntry(WhitelistRevocation),
    /// A provider's report.
    Session(SessionReport),
    /// A provider's word on a customer's account.
    Customer(CustomerReport),
    /// A provider's price.
    Price(PriceReport),
    /// A provider's attestation of a customer's identity.
    Identity(Box<IdentityReport>),
    /// A provider's report on a Travel Rule exchange.
    Travel(TravelRuleReport),
    /// A contact of an agency confirms a legal order.
    OrderConfirmation(Box<OrderConfirmation>),
    /// A node's confirmation.
    Confirmation(Box<KeygenConfirmation>),
    /// The coordinator activates an epoch.
    Activate(EpochActivated),
    /// The coordinator asks to authorize.
    Authorize(Authorize),
    /// The coordinator logs a signature.
    Signature(SignatureLogged),
    /// A node's digest of its state.
    Attestation(StateAttestation),
    /// The coordinator passes a policy document on.
    Policy(PolicyUpload),
    /// A client's request to replace a withdrawal, with the digest of its exact payload.
    Replace(Box<ReplacementRequest>, [u8; 32]),
    /// A client's request to sweep a deposit address, with the digest of its exact payload.
    Sweep(Box<SweepRequest>, [u8; 32]),
    /// A client's report of what became of a transaction.
    Outcome(OutcomeReport),
    /// A node's oath never to sign a withdrawal.
    Tombstone(Tombstone),
    /// The coordinator announces an update of a screening list.
    ScreeningUpdate(Box<ScreeningUpdate>),
    /// The coordinator passes some of its addresses on.
    ScreeningPart(Box<ScreeningPart>),
    /// A provider's report about a destination.
    Exposure(ExposureReport),
    /// A node's word that old shares are erased.
    Erased(SharesErased),
}

impl Act {
    /// The cell, the provider and the sequence number of a provider's report.
    pub(crate) fn report(&self) -> Option<(&ClusterId, &ProviderId, u64)> {
        match self {
            Act::Session(report) => Some((&report.cluster, &report.provider, report.sequence)),
            Act::Customer(report) => Some((&report.cluster, &report.provider, report.sequence)),
            Act::Price(report) => Some((&report.cluster, &report.provider, report.sequence)),
            Act::Identity(report) => Some((&report.cluster, &report.provider, report.sequence)),
            Act::Travel(report) => Some((&report.cluster, &report.provider, report.sequence)),
            Act::Exposure(report) => Some((&report.cluster, &report.provider, report.sequence)),
            Act::Request(..)
            | Act::Bind(_)
            | Act::Cancel(_)
            | Act::Replace(..)
            | Act::Sweep(..)
            | Act::Outcome(_)
            | Act::Tombstone(_)
            | Act::AskEntry(..)
            | Act::TakeBackEntry(_)
            | Act::OrderConfirmation(_)
            | Act::Statement { .. }
            | Act::Confirmation(_)
            | Act::Activate(_)
            | Act::Authorize(_)
            | Act::Signature(_)
            | Act::Attestation(_)
            | Act::Erased(_)
            | Act::Policy(_)
            | Act::ScreeningUpdate(_)
            | Act::ScreeningPart(_) => None,
        }
    }

    /// The client that speaks, if a client does.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Act::Request(request, _) => Some(&request.client),
            Act::Bind(bind) => Some(&bind.client),
            Act::Cancel(cancel) => Some(&cancel.client),
            Act::Replace(request, _) => Some(&request.client),
            Act::Sweep(request, _) => Some(&request.client),
            Act::Outcome(report) => Some(&report.client),
            Act::AskEntry(request, _) => Some(&request.client),
            Act::TakeBackEntry(revocation) => Some(&revocation.client),
            Act::Statement { .. }
            | Act::Session(_)
            | Act::Customer(_)
            | Act::Price(_)
            | Act::Identity(_)
            | Act::Travel(_)
            | Act::OrderConfirmation(_)
            | Act::Confirmation(_)
            | Act::Activate(_)
            | Act::Authorize(_)
            | Act::Signature(_)
            | Act::Attestation(_)
            | Act::Erased(_)
            | Act::Policy(_)
            | Act::ScreeningUpdate(_)
            | Act::ScreeningPart(_)
            | Act::Exposure(_)
            | Act::Tombstone(_) => None,
        }
    }

    /// The node that speaks, if a node does.
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Act::Confirmation(confirmation) => Some(&confirmation.node),
            Act::Attestation(attestation) => Some(&attestation.node),
            Act::Erased(erased) => Some(&erased.node),
            Act::Tombstone(tombstone) => Some(&tombstone.node),
            Act::Request(..)
            | Act::Bind(_)
            | Act::Cancel(_)
            | Act::Replace(..)
            | Act::Sweep(..)
            | Act::Outcome(_)
            | Act::AskEntry(..)
            | Act::TakeBackEntry(_)
            | Act::Statement { .. }
            | Act::Session(_)
            | Act::Customer(_)
            | Act::Price(_)
            | Act::Identity(_)
            | Act::Travel(_)
            | Act::OrderConfirmation(_)
            | Act::Activate(_)
            | Act::Authorize(_)
            | Act::Signature(_)
            | Act::ScreeningUpdate(_)
            | Act::ScreeningPart(_)
            | Act::Exposure(_)
            | Act::Policy(_) => None,
        }
    }
}

/// An authentic act, or an authentic payload that is not admissible whatever the state.
#[derive(Clone, Debug)]
pub struct VerifiedAct {
    kind: PayloadKind,
    act: Result<Act, Rejection>,
}

/// An envelope that no honest sequencer would put into the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// The payload type is unknown under the active rules.
    #[error("payload type `{0}` is unknown under the active rules")]
    UnknownPayloadType(String),
    /// A genesis document after the first entry.
    #[error("a genesis document can only be the first entry")]
    SecondGenesis,
    /// Not exactly one signature.
    #[error("an entry of this type carries exactly one signature, found {0}")]
    SignatureCount(usize),
    /// The key id does not name a party that may sign this type.
    #[error("signer `{0}` is unknown or may not sign this payload type")]
    SignerUnknown(String),
    /// The signature does not verify.
    #[error("the signature of `{0}` does not verify")]
    SignatureInvalid(String),
}

impl ActError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            ActError::UnknownPayloadType(_) => "PAYLOAD_TYPE_UNKNOWN",
            ActError::SecondGenesis => "SECOND_GENESIS",
            ActError::SignatureCount(_) => "SIGNATURE_COUNT",
            ActError::SignerUnknown(_) => "SIGNER_UNKNOWN",
            ActError::SignatureInvalid(_) => "ENVELOPE_SIGNATURE_INVALID",
        }
    }
}

impl VerifiedAct {
    /// The kind of payload.
    pub fn kind(&self) -> PayloadKind {
        self.kind
    }

    /// What was said.
    ///
    /// # Errors
    /// The [`Rejection`] of an authentic payload that is not admissible in any state.
    pub fn act(&self) -> Result<&Act, &Rejection> {
        self.act.as_ref()
    }
}

/// Verifies an envelope against the roster.
///
/// # Errors
/// [`ActError`] if the envelope cannot be in an honest log.
pub fn verify_act(roster: &Roster, envelope: &Envelope) -> Result<VerifiedAct, ActError> {
    let payload_type = envelope.payload_type.as_str();
    let kind = PayloadKind::parse(payload_type)
        .ok_or_else(|| ActError::UnknownPayloadType(payload_type.chars().take(128).collect()))?;
    let act = match kind {
        PayloadKind::Genesis => return Err(ActError::SecondGenesis),
        PayloadKind::Statement => statement(roster, envelope)?,
        PayloadKind::WithdrawalRequest => by_client(roster, envelope, |payload| {
            WithdrawalRequest::parse(payload).map(|request| Act::Request(Box::new(request), digest(payload)))
        })?,
        PayloadKind::ReplacementRequest => by_client(roster, envelope, |payload| {
            ReplacementRequest::parse(payload).map(|request| Act::Replace(Box::new(request), digest(payload)))
        })?,
        PayloadKind::SweepRequest => by_client(roster, envelope, |payload| {
            SweepRequest::parse(payload).map(|request| Act::Sweep(Box::new(request), digest(payload)))
        })?,
        PayloadKind::BindTransaction => by_client(roster, envelope, |payload| parse(payload).map(Act::Bind))?,
        PayloadKind::CancelWithdrawal => {
            by_client(roster, envelope, |payload| parse(payload).map(Act::Cancel))?
        }
        PayloadKind::OutcomeReport => {
            by_client(roster, envelope, |payload| parse(payload).map(Act::Outcome))?
        }
        PayloadKind::WhitelistRequest => by_client(roster, envelope, |payload| {
            WhitelistRequest::parse(payload).map(|request| Act::AskEntry(Box::new(request), digest(payload)))
        })?,
        PayloadKind::WhitelistRevocation => {
            by_client(roster, envelope, |payload| parse(payload).map(Act::TakeBackEntry))?
        }
        PayloadKind::SessionReport => {
            by_provider(roster, envelope, |report: &SessionReport| &report.provider, Act::Session)?
        }
        PayloadKind::CustomerReport => {
            by_provider(roster, envelope, |report: &CustomerReport| &report.provider, Act::Customer)?
        }
        PayloadKind::PriceReport => {
            by_provider(roster, envelope, |report: &PriceReport| &report.provider, Act::Price)?
        }
        PayloadKind::IdentityAttestation => {
            let identity = |report| Act::Identity(Box::new(report));
            by_provider(roster, envelope, |report: &IdentityReport| &report.provider, identity)?
        }
        PayloadKind::TravelRuleReport => {
            by_provider(roster, envelope, |report: &TravelRuleReport| &report.provider, Act::Travel)?
        }
        PayloadKind::OrderConfirmation => order_confirmation(roster, envelope)?,
        PayloadKind::KeygenConfirmation => {
            by_node(roster, envelope, |payload| parse(payload).map(Box::new).map(Act::Confirmation))?
        }
        PayloadKind::StateAttestation => {
            by_node(roster, envelope, |payload| parse(payload).map(Act::Attestation))?
        }
        PayloadKind::SharesErased => by_node(roster, envelope, |payload| parse(payload).map(Act::Erased))?,
        PayloadKind::Tombstone => by_node(roster, envelope, |payload| parse(payload).map(Act::Tombstone))?,
        PayloadKind::EpochActivated => by_coordinator(roster, envelope, Act::Activate)?,
        PayloadKind::Authorize => by_coordinator(roster, envelope, Act::Authorize)?,
        PayloadKind::SignatureLogged => by_coordinator(roster, envelope, Act::Signature)?,
        PayloadKind::PolicyDocument => by_coordinator(roster, envelope, Act::Policy)?,
        PayloadKind::ScreeningUpdate => {
            by_coordinator(roster, envelope, |said| Act::ScreeningUpdate(Box::new(said)))?
        }
        PayloadKind::ScreeningPart => {
            by_coordinator(roster, envelope, |said| Act::ScreeningPart(Box::new(said)))?
        }
        PayloadKind::ExposureReport => {
            by_provider(roster, envelope, |report: &ExposureReport| &report.provider, Act::Exposure)?
        }
    };
    Ok(VerifiedAct { kind, act })
}

type Read = Result<Result<Act, Rejection>, ActError>;

fn by_client(
    roster: &Roster,
    envelope: &Envelope,
    read: impl FnOnce(&[u8]) -> Result<Act, Rejection>,
) -> Read {
    let client = client(roster, envelope)?;
    Ok(read(&envelope.payload).and_then(|act| {
        speaks_for("client", &act.client(), &Some(&client))?;
        Ok(act)
    }))
}

fn by_provider<T: DeserializeOwned>(
    roster: &Roster,
    envelope: &Envelope,
    speaker: fn(&T) -> &ProviderId,
    act: impl FnOnce(T) -> Act,
) -> Read {
    let provider = provider(roster, envelope)?;
    Ok(parse(&envelope.payload).and_then(|report: T| {
        speaks_for("provider", speaker(&report), &provider)?;
        Ok(act(report))
    }))
}

fn by_coordinator<T: DeserializeOwned>(
    roster: &Roster,
    envelope: &Envelope,
    act: impl FnOnce(T) -> Act,
) -> Read {
    coordinator(roster, envelope)?;
    Ok(parse(&envelope.payload).map(act))
}

fn by_node(roster: &Roster, envelope: &Envelope, read: impl FnOnce(&[u8]) -> Result<Act, Rejection>) -> Read {
    let node = node(roster, envelope)?;
    Ok(read(&envelope.payload).and_then(|act| {
        speaks_for("node", &act.node(), &Some(&node))?;
        Ok(act)
    }))
}

fn digest(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(payload).into()
}

/// INVARIANT (G1): an entry speaks only for the party whose key signed it.
fn speaks_for<T: PartialEq>(field: &str, claimed: &T, signer: &T) -> Result<(), Rejection> {
    if claimed == signer {
        return Ok(());
    }
    let detail = format!("`{field}` is not the party that signed");
    Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field(field))
}

fn statement(roster: &Roster, envelope: &Envelope) -> Read {
    let (key_id, name) = signer(envelope, "officer")?;
    let id = OfficerId::new(name).map_err(|_| ActError::SignerUnknown(key_id.clone()))?;
    let officer = roster.officer(&id).ok_or_else(|| ActError::SignerUnknown(key_id.clone()))?;
    let signature = only_signature(envelope)?;
    officer
        .key
        .verify(OFFICER_NAMESPACE, &envelope.payload, &signature.signature)
        .map_err(|_| ActError::SignatureInvalid(key_id))?;
    Ok(Statement::parse(&envelope.payload).and_then(|(statement, text)| {
        speaks_for("officer", &statement.officer, &id)?;
        Ok(Act::Statement { statement, digest: StatementDigest::of(text.as_bytes()), text })
    }))
}

/// As with officers, the signature is over the text itself: what a contact saw is what is verified.
fn order_confirmation(roster: &Roster, envelope: &Envelope) -> Read {
    let (key_id, name) = signer(envelope, "contact")?;
    let id = ContactId::new(name).map_err(|_| ActError::SignerUnknown(key_id.clone()))?;
    let contact = roster.contact(&id).ok_or_else(|| ActError::SignerUnknown(key_id.clone()))?;
    let signature = only_signature(envelope)?;
    contact
        .key
        .verify(ORDER_NAMESPACE, &envelope.payload, &signature.signature)
        .map_err(|_| ActError::SignatureInvalid(key_id))?;
    Ok(OrderConfirmation::parse(&envelope.payload).and_then(|confirmation| {
        speaks_for("contact", &confirmation.contact, &id)?;
        Ok(Act::OrderConfirmation(Box::new(confirmation)))
    }))
}

fn client(roster: &Roster, envelope: &Envelope) -> Result<ClientId, ActError> {
    let (key_id, name) = signer(envelope, "client")?;
    let id = ClientId::new(name).map_err(|_| ActError::SignerUnknown(key_id.clone()))?;
    let client = roster.client(&id).ok_or(ActError::SignerUnknown(key_id))?;
    verify_ed25519(envelope, &client.key)?;
    Ok(id)
}

fn provider(roster: &Roster, envelope: &Envelope) -> Result<ProviderId, ActError> {
    let (key_id, name) = signer(envelope, "provider")?;
    let id = ProviderId::new(name).map_err(|_| ActError::SignerUnknown(key_id.clone()))?;
    let provider = roster.provider(&id).ok_or(ActError::SignerUnknown(key_id))?;
    verify_ed25519(envelope, &provider.key)?;
    Ok(id)
}

fn node(roster: &Roster, envelope: &Envelope) -> Result<NodeId, ActError> {
    let (key_id, name) = signer(envelope, "node")?;
    let id = NodeId::new(name).map_err(|_| ActError::SignerUnknown(key_id.clone()))?;
    let node = roster.node(&id).ok_or(ActError::SignerUnknown(key_id))?;
    verify_ed25519(envelope, &node.message_key)?;
    Ok(id)
}

fn coordinator(roster: &Roster, envelope: &Envelope) -> Result<(), ActError> {
    signer(envelope, "coordinator")?;
    verify_ed25519(envelope, &roster.coordinator().entry_key)
}

fn signer(envelope: &Envelope, role: &str) -> Result<(String, String), ActError> {
    let key_id = only_signature(envelope)?.key_id.clone();
    let name = key_id.strip_prefix(role).and_then(|rest| rest.strip_prefix(':')).map(str::to_owned);
    match name {
        Some(name) => Ok((key_id, name)),
        None => Err(ActError::SignerUnknown(key_id)),
    }
}

fn only_signature(envelope: &Envelope) -> Result<&holdfast_log::EnvelopeSignature, ActError> {
    match envelope.signatures.as_slice() {
        [signature] => Ok(signature),
        signatures => Err(ActError::SignatureCount(signatures.len())),
    }
}

fn verify_ed25519(envelope: &Envelope, key: &ed25519_dalek::VerifyingKey) -> Result<(), ActError> {
    let signature = only_signature(envelope)?;
    signature
        .verify_ed25519(&envelope.payload_type, &envelope.payload, key)
        .map_err(|_| ActError::SignatureInvalid(signature.key_id.clone()))
}
