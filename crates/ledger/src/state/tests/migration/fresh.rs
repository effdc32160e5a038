//! A fresh chain code: only when officers said so, never one that was there, and nothing of the old deposit addresses is signed.

use holdfast_chains::Digest;

use super::super::after::{gwei, own_address, pays_usdt, signature_entry};
use super::super::cell::sign;
use super::super::sweeps::{asked, child_public, child_signature, sweep};
use super::*;

const FRESH: Digest = Digest([0x22; 32]);

fn fresh(cell: &Cell) -> MigrationProposal {
    MigrationProposal { chain_code: NextChainCode::Fresh, ..proposed(cell) }
}

fn with_code(id: CeremonyId, node: u8, epoch: u32, shares: u8, code: Digest) -> holdfast_log::Envelope {
    let shares = [0, 1, 2].map(|member| other_public(shares + member));
    let members = [
        ("epoch", json!(epoch)),
        ("engine", json!(NEW)),
        ("verifying_shares", json!(shares)),
        ("chain_code", json!(code)),
    ];
    confirmation_with(id, node, &members)
}

/// Moves the wallet to epoch 1 with a fresh chain code.
fn move_to_fresh(cell: &mut Cell) {
    let proposal = fresh(cell);
    let id = cell.approved(StatementBody::ProposeMigration(proposal));
    for node in 1..=3 {
        cell.accept(&with_code(id, node, 1, 11, FRESH));
    }
    cell.accept(&activation(id, 1));
}

#[test]
fn fresh_chain_code_moves_every_deposit_address_and_nothing_else() {
    let mut cell = cell();
    let before = wallet(&cell).clone();
    move_to_fresh(&mut cell);
    let (after, until) = (wallet(&cell), cell.state.size() - 1);
    assert_eq!((after.public_key, after.address, after.t), (before.public_key, before.address, before.t));
    assert_eq!(after.chain_code, FRESH);
    assert_eq!(after.former_chain_codes, [FormerChainCode { chain_code: before.chain_code, until }]);
    for index in [0, 7] {
        assert_ne!(after.deposit_key(index).unwrap(), before.deposit_key(index).unwrap());
    }
    assert_eq!([until - 1, until].map(|index| *after.chain_code_at(index)), [before.chain_code, FRESH]);
}

#[test]
fn fresh_means_one_that_never_was_and_carried_the_one_that_there_is() {
    let mut cell = cell();
    let old = wallet(&cell).chain_code;
    let proposal = fresh(&cell);
    let id = cell.approved(StatementBody::ProposeMigration(proposal));
    assert_names(&mut cell, &with_code(id, 1, 1, 11, old), "FIELD_INVALID", "chain_code");
    for node in 1..=3 {
        cell.accept(&with_code(id, node, 1, 11, FRESH));
    }
    cell.accept(&activation(id, 1));
    // The next one goes back to none of them
    let proposal = MigrationProposal { from_engine: NEW.to_owned(), from_epoch: 1, ..fresh(&cell) };
    let id = cell.approved(StatementBody::ProposeMigration(proposal));
    for code in [old, FRESH] {
        assert_names(&mut cell, &with_code(id, 1, 2, 21, code), "FIELD_INVALID", "chain_code");
    }
    cell.accept(&with_code(id, 1, 2, 21, Digest([0x33; 32])));
    // And nodes that saw different ones end it
    cell.accept(&with_code(id, 2, 2, 21, Digest([0x34; 32])));
    assert_eq!(cell.phase(id), CeremonyPhase::Failed);
    // One that is carried is the newest
    let id = approved(&mut cell);
    assert_names(&mut cell, &with_code(id, 1, 2, 21, old), "FIELD_INVALID", "chain_code");
    cell.accept(&with_code(id, 1, 2, 21, FRESH));
}

#[test]
fn officers_sign_in_plain_words_that_every_deposit_address_changes() {
    let cell = cell();
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: OfficerId::new("alice").unwrap(),
        issued_at: cell.state.last_time(),
        expires_at: Some(holdfast_policy::TimestampMs(cell.state.last_time().0 + 1_000)),
        note: String::new(),
        body: StatementBody::ProposeMigration(fresh(&cell)),
    };
    let text = cell.state.statement_text(&statement).unwrap();
    let code = wallet(&cell).chain_code;
    for line in [
        "chain code: fresh\n".to_owned(),
        format!("ends chain code: {code}\n"),
        "deposit addresses: EVERY ONE CHANGES, and what is on an old one cannot be swept any more\n"
            .to_owned(),
    ] {
        assert!(text.contains(&line), "{text}");
    }
    // The words of the other choice over this one are another text than the ledger's.
    let softened = text
        .replace("EVERY ONE CHANGES, and what is on an old one cannot be swept any more", "every one stays");
    let mut cell = cell;
    assert_eq!(cell.refuse(&signed_statement("alice", &softened)), "STATEMENT_MISMATCH");
    let nonsense = text.replace("chain code: fresh", "chain code: any");
    assert_eq!(Statement::parse(nonsense.as_bytes()).unwrap_err().field(), Some("chain code"));
    let later = text.replace("new epoch: 1", "new epoch: 2");
    assert_eq!(Statement::parse(later.as_bytes()).unwrap_err().field(), Some("new epoch"));
}

#[test]
fn nothing_is_signed_for_a_deposit_address_whose_chain_code_ended() {
    let mut cell = Cell::ready();
    // Given sweeps of one chain code: bound, authorized, and authorized with a signature that the log has not yet
    let mut sweeping = |key: &str, index: u32| {
        let request = sweep(&cell, key, index, 0);
        asked(&mut cell, &request)
    };
    let [bound, authorized, signed] = [("k-1", 5), ("k-2", 6), ("k-3", 7)].map(|(key, at)| sweeping(key, at));
    cell.accept_authorize(authorized);
    cell.accept_authorize(signed);
    let signature = child_signature(7, cell.order(signed).unwrap().digest());
    let paid = cell.authorized("k-6", 10, 0);
    // When the chain code ends
    move_to_fresh(&mut cell);
    // Then no node signs for the old addresses, and nothing about them is authorized or replaced
    assert_eq!(cell.order(authorized).unwrap_err(), "ORDER_NOT_PERMITTED");
    assert_eq!(cell.refuse_authorize(bound), "WITHDRAWAL_NOT_AUTHORIZABLE");
    let request = sweep(&cell, "k-4", 6, 0);
    let bump = json!({"cluster": "demo-1", "client": "pipeline", "of": authorized, "action": "bump-fee",
        "fee_cap": request["fee_cap"], "idempotency_key": "k-4", "created_at_ms": cell.now,
        "expires_at_ms": cell.now + 600_000,
        "transaction": pays_usdt(&own_address(), 7, 0, gwei(60, 2)).to_hex()});
    let bump = sign(PayloadKind::ReplacementRequest, &bump, "client", "pipeline");
    assert_eq!(cell.refuse(&bump), "REPLACEMENT_NOT_PERMITTED");
    // A payment from the wallet's own address goes on
    assert!(cell.order(paid).is_ok());
    cell.accept_authorize(paid);
    // What was signed before stays proven under the key that signed it
    cell.accept(&signature_entry(signed, signature));
    let sender = cell.state.sender(cell.withdrawal(signed)).unwrap();
    assert_eq!(sender.public_key, child_public(7));
    // And the same index is another address from now on
    let request = sweep(&cell, "k-5", 7, 0);
    let next = asked(&mut cell, &request);
    cell.accept_authorize(next);
    let key = *cell.order(next).unwrap().public_key();
    assert_eq!(key, wallet(&cell).deposit_key(7).unwrap());
    assert_ne!(key, child_public(7));
}
