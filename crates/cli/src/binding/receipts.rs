//! Receipts: a node's own word that it refuses from now on, checked with the key in the roster.

use holdfast_ledger::{
    Act, LatchScope, PauseReceipt, Roster, StatementBody, StatementDigest, key_id, verify_act,
};
use holdfast_log::Envelope;
use holdfast_policy::{NodeId, TimestampMs};
use holdfast_proto::v1;
use holdfast_proto::v1::officer_service_client::OfficerServiceClient;

use super::tally::Tally;
use crate::failure::Failure;
use crate::profile::{Server, Who};
use crate::session::Session;

/// How much of a node's list is read.
const MAX_PAGES: usize = 256;

/// What a receipt must be about.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) digest: StatementDigest,
    pub(crate) scope: LatchScope,
    /// When the delivery of a newly made statement began: nobody can have received it before.
    pub(crate) not_before: Option<TimestampMs>,
}

/// What a statement stops at a node that gets it directly; `None` if nodes take it from the log only.
pub(crate) fn scope(body: &StatementBody) -> Option<LatchScope> {
    match body {
        StatementBody::PauseWallet(wallet) => Some(LatchScope::Wallet(wallet.clone())),
        StatementBody::RevokeWhitelistEntry(entry) => Some(LatchScope::WhitelistEntry(entry.clone())),
        StatementBody::RevokeClient(client) => Some(LatchScope::Client(client.clone())),
        StatementBody::AddToScreeningList { list, address } => {
            Some(LatchScope::Listed { list: list.clone(), address: *address })
        }
        StatementBody::OpenOrder(_)
        | StatementBody::ApproveOrder(_)
        | StatementBody::ProposeWallet(_)
        | StatementBody::ProposeMigration(_)
        | StatementBody::ProposeImport(_)
        | StatementBody::ProposeWhitelistEntry(_)
        | StatementBody::ProposeResume { .. }
        | StatementBody::ProposeRosterChange(_)
        | StatementBody::ProposePolicy(_)
        | StatementBody::ProposeScreening(_)
        | StatementBody::ProposeScreeningLift { .. }
        | StatementBody::ApproveCeremony(_)
        | StatementBody::ApproveHold(_)
        | StatementBody::RejectHold(_)
        | StatementBody::WithdrawApproval(_) => None,
    }
}

/// INVARIANT (G4): a node counts as refusing only if its message key signed that it took exactly this statement.
pub(crate) fn verify(
    session: &Session,
    roster: &Roster,
    node: &str,
    envelope: &[u8],
    order: &Order,
) -> Result<PauseReceipt, Failure> {
    let refuse =
        |detail: String| Failure::verification("RECEIPT_INVALID", format!("receipt of `{node}`: {detail}"));
    let envelope = Envelope::parse(envelope).map_err(|error| refuse(error.to_string()))?;
    let id = NodeId::new(node).map_err(|error| refuse(error.to_string()))?;
    let known = roster.node(&id).ok_or_else(|| refuse("the roster has no such node".to_owned()))?;
    let [signature] = envelope.signatures.as_slice() else {
        return Err(refuse("it must carry exactly one signature".to_owned()));
    };
    if envelope.payload_type.as_str() != PauseReceipt::PAYLOAD_TYPE
        || signature.key_id != key_id("node", node)
    {
        return Err(refuse("it is no receipt of this node".to_owned()));
    }
    signature
        .verify_ed25519(&envelope.payload_type, &envelope.payload, &known.message_key)
        .map_err(|error| refuse(error.to_string()))?;
    let receipt: PauseReceipt =
        serde_json::from_slice(&envelope.payload).map_err(|error| refuse(error.to_string()))?;
    let expected = (session.cluster(), &id, order.digest.to_string(), &order.scope);
    if (receipt.cluster.as_str(), &receipt.node, receipt.statement.clone(), &receipt.scope) != expected {
        return Err(refuse("it is for another statement".to_owned()));
    }
    let skew_ms = session.genesis.document.max_clock_skew_ms;
    if order.not_before.is_some_and(|began| receipt.received_at_ms.0 < began.0.saturating_sub(skew_ms)) {
        let received_at = receipt.received_at_ms;
        return Err(refuse(format!("it is from {received_at}, before this statement was made")));
    }
    Ok(receipt)
}

/// Asks the nodes themselves for the receipts that they gave for a statement. A node that does not answer is one that counts
/// for nothing yet; why is returned.
pub(super) async fn collect(
    session: &Session,
    who: &Who,
    rosters: &[Roster],
    digest: &StatementDigest,
    tally: &mut Tally,
) -> Vec<(String, Failure)> {
    let mut problems = Vec::new();
    let Some(roster) = rosters.first() else { return problems };
    tally.forget_receipts();
    for server in &session.profile.file.nodes {
        match of_node(session, who, server, rosters, digest).await {
            Ok(Some((receipt, envelope, in_force))) => {
                tally.take_receipt(roster, receipt, &envelope, in_force);
            }
            Ok(None) => {}
            Err(failure) => problems.push((server.name.clone(), failure)),
        }
    }
    problems
}

async fn of_node(
    session: &Session,
    who: &Who,
    server: &Server,
    rosters: &[Roster],
    digest: &StatementDigest,
) -> Result<Option<(PauseReceipt, Vec<u8>, bool)>, Failure> {
    let mut client = OfficerServiceClient::new(session.node(who, server).await?);
    let mut page_token = String::new();
    for _ in 0..MAX_PAGES {
        let request = v1::StatementsRequest { page_size: 0, page_token };
        let page = client.statements(request).await?.into_inner();
        for delivered in &page.statements {
            let Some(order) = order_of(rosters, &delivered.envelope, digest) else { continue };
            let Some(roster) = rosters.first() else { return Ok(None) };
            let envelope = &delivered.receipt_envelope;
            let receipt = verify(session, roster, &server.name, envelope, &order)?;
            return Ok(Some((receipt, envelope.clone(), !delivered.lifted)));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// What a receipt for this statement must be about, from the statement itself: the newest roster that knows its officer counts.
pub(super) fn order_of(rosters: &[Roster], envelope: &[u8], digest: &StatementDigest) -> Option<Order> {
    let envelope = Envelope::parse(envelope).ok()?;
    if StatementDigest::of(&envelope.payload) != *digest {
        return None;
    }
    let act = rosters.iter().find_map(|roster| verify_act(roster, &envelope).ok())?;
    let Ok(Act::Statement { statement, .. }) = act.act() else { return None };
    Some(Order { digest: *digest, scope: scope(&statement.body)?, not_before: None })
}
