//! Bounds of a roster.
#![expect(clippy::arithmetic_side_effects, reason = "test: small numbers")]

use super::*;
use crate::genesis::Genesis;

/// Two officers and nothing else that matters here.
fn roster() -> Roster {
    let key = |seed: u8| hex::encode(signing_key(u32::from(seed)).verifying_key().as_bytes());
    let node = |i: u8| {
        serde_json::json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("p-{i}"),
            "region": format!("r-{i}"), "cosigning_key": key(10 + i), "message_key": key(20 + i)})
    };
    let officer = |name: &str, seed: u32| serde_json::json!({"name": name, "roles": ["security-officer"], "ssh_public_key": officer_key(seed).to_openssh()});
    let quorum = serde_json::json!({"security-officer": 2});
    let document = serde_json::json!({
        "version": 1, "rules_version": 1, "cluster": "demo-1", "created_at_ms": 1, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0}, "officers": [officer("alice", 1), officer("bob", 2)],
        "clients": [], "providers": [], "nodes": [node(1), node(2), node(3)],
        "coordinator": {"log_key": key(31), "entry_key": key(32)}, "witnesses": [], "witnesses_required": 0,
        "assets": [{"symbol": "ETH", "chain_id": 1, "contract": null, "decimals": 18}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
            "change-roster": quorum, "change-policy": quorum},
        "policy": include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/fixtures/demo-policy.toml")),
        "screening_lists": [],
    });
    Genesis::from_document(&serde_json::to_vec(&document).unwrap()).unwrap().roster
}

fn signing_key(seed: u32) -> ed25519_dalek::SigningKey {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&seed.to_be_bytes());
    ed25519_dalek::SigningKey::from_bytes(&bytes)
}

fn officer_key(seed: u32) -> OfficerKey {
    let mut bytes = [8; 32];
    bytes[..4].copy_from_slice(&seed.to_be_bytes());
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&bytes);
    OfficerKey::parse(&ssh_key::PrivateKey::from(pair).public_key().to_openssh().unwrap()).unwrap()
}

fn after(roster: &Roster, change: RosterChange) -> Result<Roster, Rejection> {
    let (quorums, revoked) = (BTreeMap::new(), BTreeSet::new());
    let succession = Succession {
        earlier: &[],
        quorums: &quorums,
        revoked: &revoked,
        ceremony: None,
        index: roster.in_force_from,
        time: TimestampMs(1),
    };
    let proposal = RosterProposal { version: roster.version, digest: roster.digest(), change };
    roster.succeed(&proposal, &succession)
}

fn officer(seed: u32) -> RosterChange {
    let roles = ["security-officer".parse().unwrap()].into();
    RosterChange::AddOfficer { name: format!("o-{seed}").parse().unwrap(), roles, key: officer_key(seed) }
}

fn client(seed: u32) -> RosterChange {
    RosterChange::AddClient {
        name: format!("c-{seed}").parse().unwrap(),
        key: signing_key(seed).verifying_key(),
        wallets: ["hot-1".parse().unwrap()].into(),
        expires_at: TimestampMs(2),
    }
}

#[test]
fn roster_grows_to_its_bounds_and_no_further() {
    let mut roster = roster();
    for seed in 3..=64 {
        roster = after(&roster, officer(seed)).unwrap();
    }
    assert_eq!(after(&roster, officer(65)).unwrap_err().code(), RejectionCode::FieldInvalid);
    for seed in 101..=356 {
        roster = after(&roster, client(seed)).unwrap();
    }
    assert_eq!(after(&roster, client(357)).unwrap_err().code(), RejectionCode::FieldInvalid);
    assert_eq!((roster.officers().len(), roster.clients().len()), (64, 256));
}

#[test]
fn each_version_follows_only_the_one_before() {
    let first = roster();
    let second = after(&first, officer(3)).unwrap();
    let third = after(&second, officer(4)).unwrap();
    assert!(second.follows(&first) && third.follows(&second));
    assert!(!third.follows(&first) && !first.follows(&second) && !second.follows(&second));
    let other = after(&first, officer(5)).unwrap();
    assert!(!third.follows(&other));
    let skipped = Roster { version: RosterVersion(3), ..second.clone() };
    assert!(!skipped.follows(&first), "no version is left out");
    let at_once = Roster { in_force_from: first.in_force_from, ..second };
    assert!(!at_once.follows(&first), "two versions are not in force at one entry");
}
