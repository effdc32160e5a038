//! The signed confirmation of a generated key, and false ones.

use ed25519_dalek::SigningKey;
use holdfast_chains::{Digest, PublicKey};
use holdfast_ledger::{ApprovedKeygen, KeygenConfirmation, PayloadKind, key_id};
use holdfast_log::Envelope;
use holdfast_policy::{ClusterId, NodeId};
use holdfast_threshold::KeyPublic;

/// What a node says about the key that it holds a share of.
pub(super) fn confirmation(
    cluster: &ClusterId,
    node: &NodeId,
    permit: &ApprovedKeygen,
    public: &KeyPublic,
) -> KeygenConfirmation {
    let point = |sec1: &[u8; 33]| PublicKey::from_sec1(sec1).unwrap();
    KeygenConfirmation {
        cluster: cluster.clone(),
        ceremony: permit.ceremony(),
        node: node.clone(),
        wallet: permit.wallet().clone(),
        epoch: public.epoch().0,
        engine: public.engine().name().to_owned(),
        public_key: point(&public.public_key()),
        chain_code: Digest(public.chain_code()),
        verifying_shares: public.verifying_shares().values().map(point).collect(),
        transcript: Digest(public.transcript()),
        backup_restored: true,
    }
}

/// A lie in one member.
pub(super) fn falsified(mut said: KeygenConfirmation, member: &str) -> KeygenConfirmation {
    match member {
        // Another point of the curve: somebody's share.
        "public-key" => said.public_key = said.verifying_shares[0],
        "chain-code" => said.chain_code = Digest([0x11; 32]),
        "verifying-shares" => said.verifying_shares.reverse(),
        "transcript" => said.transcript = Digest([0x22; 32]),
        "epoch" => said.epoch += 1,
        "node" => said.node = "node-1".parse().unwrap(),
        "wallet" => said.wallet = "other-wallet".parse().unwrap(),
        "backup" => said.backup_restored = false,
        other => panic!("a confirmation has no member `{other}`"),
    }
    said
}

/// Signed with the node's message key.
pub(super) fn signed(said: &KeygenConfirmation, node: &NodeId, key: &SigningKey) -> Vec<u8> {
    let payload = serde_json::to_vec(said).unwrap();
    let payload_type = PayloadKind::KeygenConfirmation.payload_type();
    Envelope::sign_ed25519(payload_type, payload, &key_id("node", node.as_str()), key).unwrap().to_json()
}
