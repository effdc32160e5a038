//! The canonical form of what decisions and withdrawals are made of.

use holdfast_policy::{
    ComponentState, CountedApproval, Decision, HoldEscalation, HoldReason, HoldRequirement,
    IdentityAttestation, Moment, Network, Outcome, Outflow, ReasonCode, RiskComponent, RiskScore, RuleKind,
    RuleResult, SatisfiedHold, SessionDetails, TravelState, Verdict, WhitelistEntry,
};

use super::{Decode, Encode, Input, Malformed, json_record, record, variants};
use crate::ceremony::{Ceremony, CeremonyApproval, CeremonyKind, CeremonyPhase, QuorumMet};
use crate::legal_order::{ContactConfirmation, LegalOrder, OrderProposal};
use crate::payload::{
    ChainOutcome, CustomerReport, ExposureReport, KeygenConfirmation, PriceReport, ScreeningUpdate,
    SessionReport, WhitelistRequest, WithdrawalRequest,
};
use crate::roster::Roster;
use crate::state::{Attestation, ClientRevocation, PolicyRecord, UploadedPolicy};
use crate::wallet::Wallet;
use crate::whitelist::{RequestPhase, RequestedEntry, WhitelistConfirmation};
use crate::withdrawal::{
    Approval, Authorization, BoundTransaction, IdentityRecord, OutcomeRecord, Positions, TombstoneRecord,
    TravelRecord, Withdrawal, WithdrawalKind, WithdrawalState,
};

json_record!(CeremonyKind, KeygenConfirmation, OrderProposal, Roster, Wallet, WhitelistEntry);

record!(Withdrawal {
    id,
    kind,
    request,
    deposit_index,
    to_oneself,
    request_digest,
    received_at,
    decision,
    transaction,
    approvals,
    attestations,
    travel,
    authorization,
    signature,
    rejected_by,
    replaced_by,
    outcomes,
    tombstones,
    positions,
    state,
});

variants!(WithdrawalKind { 0 => Payment, 1 => FeeBump(of), 2 => CancelOnChain(of), 3 => Sweep });

record!(OutcomeRecord { outcome, transaction_hash, block_number, observed_at, time, index });

variants!(ChainOutcome {
    0 => Broadcast,
    1 => Confirmed,
    2 => Dropped,
    3 => Replaced,
    4 => Reorganised,
});

record!(TravelRecord { state, message, observed_at, index });

variants!(TravelState { 0 => NotRequired, 1 => Accepted, 2 => Sent, 3 => Required, 4 => Rejected });

record!(LegalOrder {
    id,
    proposal,
    digest,
    opened_by,
    time,
    index,
    lapses_at,
    approvals,
    confirmations,
    confirmed,
    lifted_by,
    paid_by,
});

record!(ContactConfirmation { contact, time, index });

record!(TombstoneRecord { node, incarnation, time, index });

record!(RequestedEntry { id, request, intent, time, index, phase });

variants!(RequestPhase { 0 => Open, 1 => Confirmed(confirmation), 2 => Ended });

record!(WhitelistConfirmation { attestation, good_until, time, index });

record!(WhitelistRequest {
    cluster,
    client,
    customer,
    chain_id,
    address,
    assets,
    not_before_ms,
    expires_at_ms,
    created_at_ms,
    confirm_by_ms,
});

record!(Approval { officer, roles, hold, time, expires_at, index });

record!(Authorization { digests, time, index, first_index, renewals });

record!(Positions { request, decision, bound, authorized, signed });

variants!(WithdrawalState {
    0 => Received,
    1 => Held,
    2 => Allowed,
    3 => Bound,
    4 => Authorized,
    5 => Signed,
    6 => Denied,
    7 => Cancelled,
    8 => Expired,
    9 => Replaced,
    10 => Tombstoned,
});

record!(Ceremony {
    id,
    kind,
    statement,
    proposer,
    expires_at,
    index,
    quorum,
    approvals,
    quorum_met,
    confirmations,
    whitelist_entry,
    phase,
});

record!(Attestation { node, incarnation, size, root, state_digest, agrees, time, index });

record!(CeremonyApproval { officer, roles, time, expires_at, index });

record!(QuorumMet { index, time });

record!(PolicyRecord { version, hash, in_force_from, ceremony });

record!(UploadedPolicy { document, index });

record!(ClientRevocation { client, statement, officer, time, index });

variants!(CeremonyPhase {
    0 => Proposed,
    1 => Approved,
    2 => Confirmed,
    3 => Activated,
    4 => Expired,
    5 => Failed,
    6 => Superseded,
});

record!(Outflow { wallet, asset, client, customer, chain_id, destination, amount, usd_cents });

record!(PriceReport { cluster, provider, sequence, asset, price_micro_usd, observed_at_ms });

record!(ExposureReport {
    cluster,
    provider,
    sequence,
    chain_id,
    destination,
    score,
    category,
    hops,
    observed_at_ms,
});

record!(ScreeningUpdate {
    cluster,
    list,
    source,
    as_of,
    version,
    replaces,
    result,
    delta,
    added,
    removed,
    parts,
});

record!(SessionReport {
    cluster,
    provider,
    sequence,
    customer,
    observed_at_ms,
    new_device,
    second_factor_reset,
    details,
});

record!(CustomerReport {
    cluster,
    provider,
    sequence,
    customer,
    opened_at_ms,
    last_active_at_ms,
    observed_at_ms
});

record!(SessionDetails {
    device,
    network,
    country_changed,
    second_factor_reset_at,
    password_reset_at,
    email_changed_at,
    api_key_made_at,
});

variants!(Moment { 0 => NotLately, 1 => At(time) });

variants!(Network { 0 => Ordinary, 1 => Hosting, 2 => Vpn, 3 => Tor });

/// Effects and hash follow from the bytes.
impl Encode for BoundTransaction {
    fn encode(&self, out: &mut Vec<u8>) {
        self.transaction.encode(out);
    }
}

impl Decode for BoundTransaction {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Decode::decode(input).map(BoundTransaction::new)
    }
}

impl Encode for WithdrawalRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            cluster,
            client,
            wallet,
            asset,
            chain_id,
            amount,
            destination,
            calldata,
            fee_cap,
            customer,
            idempotency_key,
            created_at_ms,
            expires_at_ms,
            transaction,
            order,
        } = self;
        cluster.encode(out);
        client.encode(out);
        wallet.encode(out);
        asset.encode(out);
        chain_id.encode(out);
        amount.encode(out);
        destination.encode(out);
        calldata.encode(out);
        fee_cap.encode(out);
        customer.encode(out);
        idempotency_key.encode(out);
        created_at_ms.encode(out);
        expires_at_ms.encode(out);
        order.encode(out);
        encode_hex_text(transaction.as_deref(), out);
    }
}

impl Decode for WithdrawalRequest {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            cluster: Decode::decode(input)?,
            client: Decode::decode(input)?,
            wallet: Decode::decode(input)?,
            asset: Decode::decode(input)?,
            chain_id: Decode::decode(input)?,
            amount: Decode::decode(input)?,
            destination: Decode::decode(input)?,
            calldata: Decode::decode(input)?,
            fee_cap: Decode::decode(input)?,
            customer: Decode::decode(input)?,
            idempotency_key: Decode::decode(input)?,
            created_at_ms: Decode::decode(input)?,
            expires_at_ms: Decode::decode(input)?,
            order: Decode::decode(input)?,
            transaction: decode_hex_text(input)?,
        })
    }
}

/// Optional text that is mostly `0x` and lower-case digits: half as long when it is.
fn encode_hex_text(text: Option<&str>, out: &mut Vec<u8>) {
    let Some(text) = text else { return out.push(ABSENT) };
    let digits = text.strip_prefix("0x").filter(|digits| !digits.bytes().any(|b| b.is_ascii_uppercase()));
    let start = out.len();
    if !digits.is_some_and(|digits| put_digits(digits, out)) {
        out.truncate(start);
        out.push(OTHER);
        super::put_bytes(text.as_bytes(), out);
    }
}

/// False, and something or other written, if these are no hexadecimal digits.
fn put_digits(digits: &str, out: &mut Vec<u8>) -> bool {
    let length = digits.len() / 2;
    out.push(DIGITS);
    super::put_count(length, out);
    let start = out.len();
    out.resize(start.saturating_add(length), 0);
    out.get_mut(start..).is_some_and(|bytes| hex::decode_to_slice(digits, bytes).is_ok())
}

fn decode_hex_text(input: &mut Input<'_>) -> Result<Option<String>, Malformed> {
    let start = *input;
    let text = match input.byte()? {
        ABSENT => return Ok(None),
        DIGITS => format!("0x{}", hex::encode(input.bytes()?)),
        OTHER => input.text()?.to_owned(),
        _ => return Err(Malformed::new("unknown form of a text")),
    };
    // What would have been written as digits is not accepted as text.
    let mut canonical = Vec::new();
    encode_hex_text(Some(&text), &mut canonical);
    if start.starts_with(&canonical) { Ok(Some(text)) } else { Err(Malformed::new("a text in another form")) }
}

const ABSENT: u8 = 0;
const DIGITS: u8 = 1;
const OTHER: u8 = 2;

record!(Decision { outcome, satisfied_hold, rules, risk, policy_version, policy_hash });

variants!(Outcome { 0 => Allow, 1 => Hold(requirement), 2 => Deny });

record!(SatisfiedHold { requirement, approvals, step_up });

record!(IdentityAttestation { provider, method, score, session, customer, intent, observed_at });

record!(IdentityRecord { attestation, time, index });

record!(CountedApproval { role, officer });

record!(HoldRequirement { approvals, step_up, deadline, owner, escalation, release_at, not_before, reasons });

record!(HoldEscalation { to, at });

record!(HoldReason { rule, code, measure });

record!(RuleResult { rule, kind, verdict, code, detail });

variants!(RuleKind {
    0 => Wallet,
    1 => Asset,
    2 => Screening,
    3 => Whitelist,
    4 => LimitPerTransaction,
    5 => FeeCap,
    6 => SessionReport,
    7 => Risk,
    8 => Grant,
    9 => Hold,
    10 => WindowLimit,
    11 => Exposure,
    30 => RiskFacts,
    15 => StepUp,
    20 => LegalFreeze,
    21 => LegalOrder,
    22 => TravelRule,
    40 => TimeWindow,
    50 => ContractCall,
    51 => CircuitBreaker,
});

variants!(Verdict { 0 => Pass, 1 => Hold, 2 => Deny, 3 => NotApplicable, 4 => StepUp });

record!(RiskScore { score, components });

variants!(ComponentState { 0 => Present, 1 => Absent, 2 => Unknown });

/// The reason is mostly the code's own sentence, which is not repeated.
impl Encode for RiskComponent {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { code, state, weight, contribution, reason } = self;
        code.encode(out);
        state.encode(out);
        weight.encode(out);
        contribution.encode(out);
        own_words(*code, reason).map(str::to_owned).encode(out);
    }
}

impl Decode for RiskComponent {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let code: ReasonCode = Decode::decode(input)?;
        let state = Decode::decode(input)?;
        let weight = Decode::decode(input)?;
        let contribution = Decode::decode(input)?;
        let words: Option<String> = Decode::decode(input)?;
        if words.as_deref() == Some(code.officer_sentence()) {
            return Err(Malformed::new("a reason in another form"));
        }
        let reason = words.unwrap_or_else(|| code.officer_sentence().to_owned());
        Ok(Self { code, state, weight, contribution, reason })
    }
}

fn own_words(code: ReasonCode, reason: &str) -> Option<&str> {
    (reason != code.officer_sentence()).then_some(reason)
}
