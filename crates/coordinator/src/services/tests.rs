//! The smaller services as their callers see them: ceremonies, wallets, whitelist, facts, the log, the cluster.

use std::time::Duration;

use holdfast_ledger::{
    BacktestClaim, Before, CeremonyId, DocumentDigest, OrderDemand, OrderProposal, OrderSubject, PayloadKind,
    StatementBody,
};
use holdfast_log::{Entry, Hash, SignedCheckpoint, TlogProof};
use holdfast_policy::{BacktestDigest, PolicyHash};
use holdfast_proto::v1::ceremony_service_server::CeremonyService;
use holdfast_proto::v1::cluster_service_server::ClusterService;
use holdfast_proto::v1::fact_service_server::FactService;
use holdfast_proto::v1::legal_order_service_server::LegalOrderService;
use holdfast_proto::v1::log_service_server::LogService;
use holdfast_proto::v1::wallet_service_server::WalletService;
use holdfast_proto::v1::whitelist_service_server::WhitelistService;
use holdfast_proto::{field_violations, reason_of, v1};
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::{Code, Response, Status};

use super::*;
use crate::ceremonies::Ceremonies;
use crate::testing::{Behaviour, Cell, called_by, sign};

fn ceremonies(cell: &Cell) -> CeremonyApi {
    CeremonyApi { parts: cell.parts.clone(), streams: Streams::new(cell.stop.subscribe()) }
}

fn log(cell: &Cell) -> LogApi {
    LogApi { parts: cell.parts.clone(), streams: Streams::new(cell.stop.subscribe()) }
}

async fn ceremony(cell: &Cell, id: &CeremonyId) -> v1::Ceremony {
    let message = v1::GetCeremonyRequest { ceremony_id: id.to_string() };
    ceremonies(cell).get(called_by("officer", "alice", message)).await.unwrap().into_inner()
}

/// Opens an order to freeze a customer, as an officer.
fn freeze() -> StatementBody {
    StatementBody::OpenOrder(Box::new(OrderProposal {
        agency: "fiu".parse().unwrap(),
        reference: "case/1".parse().unwrap(),
        document: DocumentDigest::of(b"order"),
        demand: OrderDemand::Freeze(OrderSubject::Customer("c-1".parse().unwrap())),
    }))
}

async fn submit_order(cell: &Cell, envelope: holdfast_log::Envelope) -> Result<u64, Status> {
    let orders = LegalOrderApi(cell.parts.clone());
    let message = v1::SubmitLegalOrderRequest { envelope: envelope.to_json() };
    let answer = orders.submit(called_by("officer", "carol", message)).await?;
    Ok(answer.into_inner().position.unwrap().index)
}

#[tokio::test]
async fn legal_orders_are_opened_by_the_officer_who_calls_and_nothing_else_comes_that_way() {
    let cell = Cell::ready().await;
    let opening = cell.statement("carol", freeze()).await;
    let refused = submit_order(&cell, opening).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("POLICY_BOUND"), "the policy takes no orders");
    let table = "[legal]\nfreeze_lapse_ms = 1000000\nopened_by = \"withdrawal-approver\"\n\
                 approvals = { security-officer = 1, withdrawal-approver = 1 }\n\n[hold]";
    let toml = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/fixtures/demo-policy.toml"))
        .replacen("[hold]", table, 1);
    let message = v1::UploadPolicyRequest { toml: toml.clone() };
    let uploaded =
        ceremonies(&cell).upload_policy(called_by("officer", "alice", message)).await.unwrap().into_inner();
    let policy = PolicyHash::from_bytes(uploaded.policy_hash.try_into().unwrap());
    let (before, digest) = (Before { before: 0, after: 0 }, BacktestDigest::from_bytes([7; 32]));
    let claim =
        BacktestClaim { size: 1, digest, decided: 0, flips: 0, customers: 0, held: before, denied: before };
    let proposal = cell.parts.book.read().await.unwrap().state().policy_proposal(&policy, claim).unwrap();
    cell.approved(StatementBody::ProposePolicy(proposal)).await;
    let opening = cell.statement("carol", freeze()).await;
    submit_order(&cell, opening.clone()).await.unwrap();
    let repeated = submit_order(&cell, opening).await.unwrap_err();
    assert_eq!(reason_of(&repeated).as_deref(), Some("STATEMENT_ALREADY_USED"));
    let by_another = cell.statement("alice", StatementBody::ApproveOrder(order_of(&cell).await)).await;
    let refused = submit_order(&cell, by_another).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("SIGNER_NOT_AUTHORIZED"));
    let approval = cell.statement("carol", StatementBody::ApproveOrder(order_of(&cell).await)).await;
    submit_order(&cell, approval).await.unwrap();
    let pause = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap())).await;
    let refused = submit_order(&cell, pause).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("PAYLOAD_TYPE_UNKNOWN"));
}

async fn order_of(cell: &Cell) -> holdfast_policy::LegalOrderId {
    cell.parts.book.read().await.unwrap().state().legal_orders().next().unwrap().id.clone()
}

fn run_ceremonies(cell: &Cell) {
    cell.replicate();
    tokio::spawn(Ceremonies::new(cell.parts.clone()).run(cell.stop.subscribe()));
}

#[tokio::test]
async fn ceremony_is_proposed_approved_run_and_followed_to_its_end() {
    let cell = Cell::new().await;
    cell.fakes[1].behave(Behaviour::Down);
    let id = cell.propose_wallet().await;
    let wallets = WalletApi(cell.parts.clone());
    let wallet = || async {
        let message = v1::GetWalletRequest { wallet_id: "hot-1".to_owned() };
        wallets.get(called_by("client", "pipeline", message)).await.unwrap().into_inner()
    };
    assert_eq!(wallet().await.state(), v1::WalletState::Creating);
    let message = v1::WatchCeremoniesRequest { from_index: 0, ceremony_id: Some(id.to_string()) };
    let mut watch =
        ceremonies(&cell).watch(called_by("auditor", "anna", message)).await.unwrap().into_inner();
    // When a node is away, the ceremony runs and names it
    run_ceremonies(&cell);
    for _ in 0..500 {
        if ceremony(&cell, &id).await.blocked_by == ["node-2"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let blocked = ceremony(&cell, &id).await;
    assert_eq!(
        (blocked.phase(), blocked.blocked_by),
        (v1::CeremonyPhase::Running, vec!["node-2".to_owned()])
    );
    // When it is back, the watch ends with the wallet
    cell.fakes[1].behave(Behaviour::Honest);
    let mut phases = Vec::new();
    while let Some(event) =
        tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("no event")
    {
        let ceremony = event.unwrap().ceremony.unwrap();
        phases.push((ceremony.phase(), ceremony.result_ids));
    }
    assert_eq!(phases.first().unwrap().0, v1::CeremonyPhase::Proposed);
    assert!(phases.iter().any(|(phase, _)| *phase == v1::CeremonyPhase::Running));
    assert_eq!(*phases.last().unwrap(), (v1::CeremonyPhase::Activated, vec!["hot-1".to_owned()]));
    assert_eq!(wallet().await.state(), v1::WalletState::Active);
}

#[tokio::test]
async fn statement_for_another_method_or_by_another_officer_is_refused() {
    let cell = Cell::ready().await;
    let pause = cell.statement("alice", StatementBody::PauseWallet("hot-1".parse().unwrap())).await.to_json();
    let size = cell.size().await;
    let propose = |officer: &'static str| {
        let message = v1::ProposeCeremonyRequest { envelope: pause.clone() };
        let api = ceremonies(&cell);
        async move { api.propose(called_by("officer", officer, message)).await.unwrap_err() }
    };
    assert_eq!(reason_of(&propose("alice").await).as_deref(), Some("PAYLOAD_TYPE_UNKNOWN"));
    assert_eq!(reason_of(&propose("bob").await).as_deref(), Some("SIGNER_NOT_AUTHORIZED"));
    assert_eq!(cell.size().await, size);
}

#[tokio::test]
async fn statement_acts_once_and_its_repeat_says_so() {
    let cell = Cell::new().await;
    let id = cell.propose_wallet().await;
    let approval = cell.statement("carol", StatementBody::ApproveCeremony(id)).await.to_json();
    let approve = || async {
        let message = v1::ApproveCeremonyRequest { envelope: approval.clone() };
        ceremonies(&cell).approve(called_by("officer", "carol", message)).await.unwrap_err()
    };
    // Its quorum is complete already.
    assert_eq!(reason_of(&approve().await).as_deref(), Some("CEREMONY_PHASE"));
    assert_eq!(approve().await.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn whitelist_entry_is_listed_and_revoked_at_once() {
    let cell = Cell::ready().await;
    let api = WhitelistApi(cell.parts.clone());
    let list = |state: v1::WhitelistEntryState| {
        let message = v1::ListWhitelistEntriesRequest { state: state.into(), ..Default::default() };
        let api = api.clone();
        async move { api.list(called_by("officer", "alice", message)).await.unwrap().into_inner().entries }
    };
    let active = list(v1::WhitelistEntryState::Active).await;
    let entry = active.first().unwrap();
    assert!(entry.added.is_some() && entry.revoked.is_none());
    let revoke =
        cell.statement("carol", StatementBody::RevokeWhitelistEntry(entry.id.parse().unwrap())).await;
    let message = v1::RevokeWhitelistEntryRequest { envelope: revoke.to_json() };
    let revoked = api.revoke(called_by("officer", "carol", message)).await.unwrap().into_inner();
    assert_eq!(
        (revoked.state(), revoked.revoked.unwrap().index),
        (v1::WhitelistEntryState::Revoked, cell.size().await - 1)
    );
    assert!(list(v1::WhitelistEntryState::Active).await.is_empty());
    // Another statement of the same changes nothing and is no error.
    cell.clock.advance(5);
    let again = cell.statement("bob", StatementBody::RevokeWhitelistEntry(entry.id.parse().unwrap())).await;
    let message = v1::RevokeWhitelistEntryRequest { envelope: again.to_json() };
    let again = api.revoke(called_by("officer", "bob", message)).await.unwrap().into_inner();
    assert_eq!(again.revoked, revoked.revoked);
}

#[tokio::test]
async fn whitelist_entry_that_ran_out_shows_as_expired_without_a_new_entry() {
    let cell = Cell::ready().await;
    cell.clock.advance(1_000_000_001);
    let message = v1::ListWhitelistEntriesRequest::default();
    let api = WhitelistApi(cell.parts.clone());
    let entries = api.list(called_by("auditor", "anna", message)).await.unwrap().into_inner().entries;
    assert_eq!(entries[0].state(), v1::WhitelistEntryState::Expired);
}

#[tokio::test]
async fn report_again_returns_the_same_position_and_another_one_with_its_number_is_refused() {
    let cell = Cell::ready().await;
    let api = FactApi(cell.parts.clone());
    let report = |envelope: Vec<u8>| {
        let api = api.clone();
        // Who calls does not matter, who signed does.
        let request = called_by("client", "pipeline", v1::ReportFactRequest { envelope });
        async move { api.report(request).await.map(Response::into_inner) }
    };
    let second = cell.session_report();
    let first = report(second.to_json()).await.unwrap().position.unwrap();
    assert_eq!(first.index, cell.size().await - 1);
    assert_eq!(report(second.to_json()).await.unwrap().position.unwrap(), first);
    let other = json!({"cluster": "demo-1", "provider": "sessions", "sequence": 2, "customer": "c-2",
        "observed_at_ms": cell.clock.now(), "new_device": true, "second_factor_reset": true});
    let refused =
        report(sign(PayloadKind::SessionReport, &other, "provider", "sessions").to_json()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason_of(&refused).as_deref()),
        (Code::AlreadyExists, Some("ALREADY_RECORDED"))
    );
    let forged = sign(PayloadKind::SessionReport, &other, "provider", "pipeline");
    let refused = report(forged.to_json()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

async fn entries(cell: &Cell, start: u64, limit: u64) -> Result<Vec<Vec<u8>>, Status> {
    let request = called_by("auditor", "anna", v1::EntriesRequest { start, limit });
    let stream = log(cell).entries(request).await?.into_inner();
    let entries: Vec<v1::Entry> = stream.map(Result::unwrap).collect().await;
    assert!((start..).zip(&entries).all(|(index, entry)| entry.index == index));
    Ok(entries.into_iter().map(|entry| entry.entry).collect())
}

#[tokio::test]
async fn exported_entries_hash_to_the_checkpoint_and_proofs_verify() {
    let cell = Cell::ready().await;
    cell.replicate();
    let size = cell.size().await;
    cell.parts.cosigned.covering(size - 1, Duration::from_secs(5)).await.unwrap();
    let api = log(&cell);
    let exported = entries(&cell, 0, 0).await.unwrap();
    let note = api
        .checkpoint(called_by("auditor", "anna", v1::CheckpointRequest {}))
        .await
        .unwrap()
        .into_inner()
        .note;
    let checkpoint = SignedCheckpoint::parse(&note).unwrap().verify(&cell.verifier().await).unwrap();
    let leaves = exported.iter().map(|entry| Entry::parse(entry).unwrap().leaf_hash());
    let tree = holdfast_log::MemoryTree::from_leaf_hashes(leaves).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (size, tree.root().unwrap()));
    // Inclusion and consistency, against the exported tree
    let request = v1::InclusionProofRequest { index: 3, size: 0 };
    let proof = api.inclusion_proof(called_by("client", "pipeline", request)).await.unwrap().into_inner();
    let hashes = |raw: &[Vec<u8>]| {
        raw.iter().map(|hash| Hash(hash.as_slice().try_into().unwrap())).collect::<Vec<_>>()
    };
    let leaf = Hash::leaf(&exported[3]);
    holdfast_log::tree::verify_inclusion(leaf, 3, proof.size, checkpoint.root, &hashes(&proof.hashes))
        .unwrap();
    let request = v1::ConsistencyProofRequest { old_size: 2, new_size: 0 };
    let proof = api.consistency_proof(called_by("client", "pipeline", request)).await.unwrap().into_inner();
    let old = tree.root_at(2).unwrap();
    holdfast_log::tree::verify_consistency(2, old, size, checkpoint.root, &hashes(&proof.hashes)).unwrap();
    let request = called_by("client", "pipeline", v1::ProofRequest { index: 3 });
    let proof = TlogProof::parse(&api.proof(request).await.unwrap().into_inner().tlog_proof).unwrap();
    proof.verify(leaf, &cell.verifier().await, &[], 0).unwrap();
}

#[tokio::test]
async fn entries_stop_at_their_limit_and_what_is_not_there_is_not_found() {
    let cell = Cell::ready().await;
    let size = cell.size().await;
    assert_eq!(entries(&cell, 2, 3).await.unwrap().len(), 3);
    assert!(entries(&cell, size, 0).await.unwrap().is_empty());
    assert_eq!(
        reason_of(&entries(&cell, size + 1, 0).await.unwrap_err()).as_deref(),
        Some("UNKNOWN_LOG_ENTRY")
    );
    let api = log(&cell);
    let request = called_by("auditor", "anna", v1::InclusionProofRequest { index: size, size });
    assert_eq!(api.inclusion_proof(request).await.unwrap_err().code(), Code::NotFound);
    let request = called_by("auditor", "anna", v1::ProofRequest { index: size });
    assert_eq!(api.proof(request).await.unwrap_err().code(), Code::NotFound);
    for (old_size, new_size) in [(0, size), (size, size - 1)] {
        let request = called_by("auditor", "anna", v1::ConsistencyProofRequest { old_size, new_size });
        let refused = api.consistency_proof(request).await.unwrap_err();
        assert_eq!(field_violations(&refused)[0].field, "old_size");
    }
}

#[tokio::test]
async fn cluster_status_says_who_is_missing_and_how_old_cosignatures_are() {
    let cell = Cell::ready().await;
    cell.fakes[2].behave(Behaviour::Down);
    cell.replicate();
    let size = cell.size().await;
    cell.parts.cosigned.covering(size - 1, Duration::from_secs(5)).await.unwrap();
    let api = ClusterApi(cell.parts.clone());
    let request = called_by("operator", "olga", v1::ClusterStatusRequest {});
    let status = api.status(request).await.unwrap().into_inner();
    assert_eq!((status.log_size, status.nodes.len()), (size, 3));
    let reachable: Vec<bool> = status.nodes.iter().map(|node| node.reachable).collect();
    assert_eq!(reachable, [true, true, false]);
    assert!(status.nodes[0].cosignature_age_ms.is_some() && status.nodes[0].clock_offset_ms.is_some());
    assert_eq!((status.nodes[0].tip_size, status.nodes[2].tip_size), (size, 0));
    assert!(!status.nodes[2].last_error.is_empty());
}

#[tokio::test]
async fn uploaded_policy_means_nothing_yet_and_the_same_document_is_logged_once() {
    let cell = Cell::ready().await;
    let api = CeremonyApi { parts: cell.parts.clone(), streams: Streams::new(cell.stop.subscribe()) };
    let before = cell.parts.book.read().await.unwrap().state().policy_digest();
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/fixtures/demo-policy.toml"));
    let toml = format!("{document}\n# another one\n");
    let upload = |toml: &str| {
        let message = v1::UploadPolicyRequest { toml: toml.to_owned() };
        api.upload_policy(called_by("officer", "alice", message))
    };
    let first = upload(&toml).await.unwrap().into_inner();
    let again = upload(&toml).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(first.hash_in_force, before.as_bytes());
    assert_eq!(cell.parts.book.read().await.unwrap().state().policy_digest(), before);
    // And what is no policy, or too long, is refused
    assert!(upload("not = \"a policy\"").await.is_err());
    let refused = upload(&"#".repeat(32_769)).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("FIELD_INVALID"));
}

#[tokio::test]
async fn deposit_address_is_the_public_child_of_the_wallets_key() {
    let cell = Cell::ready().await;
    let api = WalletApi(cell.parts.clone());
    let ask = |wallet_id: &str, index| {
        let message = v1::DepositAddressRequest { wallet_id: wallet_id.to_owned(), index };
        api.deposit_address(called_by("client", "pipeline", message))
    };
    let (first, second) =
        (ask("hot-1", 0).await.unwrap().into_inner(), ask("hot-1", 1).await.unwrap().into_inner());
    assert_ne!(first.address, second.address);
    assert_eq!(first.wallet_public_key, crate::testing::wallet_public().as_bytes());
    assert_eq!((first.public_key.len(), first.chain_code), (33, vec![0x11; 32]));
    // A hardened child does not exist, and neither does another wallet's
    assert!(ask("hot-1", 1 << 31).await.is_err());
    assert!(ask("hot-9", 0).await.is_err());
}
