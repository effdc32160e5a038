//! The offline flow: a statement is written, signed elsewhere, and sent; nothing else than what was written can be.

use holdfast_ledger::{CeremonyId, OFFICER_NAMESPACE, StatementBody, WithdrawalState, verify_act};

use super::*;
use crate::testing::{TestCell, signing};

fn proposed(cell: &mut TestCell) -> CeremonyId {
    cell.accept(&cell.statement("alice", cell.wallet_proposal())).ceremony.unwrap()
}

fn write(cell: &TestCell, body: &StatementBody, path: &Path) {
    let signing = Signing { write_statement: Some(path.to_owned()), ..signing("bob") };
    let prepared = signing.prepare(&cell.session, cell.state(), body.clone()).unwrap();
    assert!(matches!(prepared, Prepared::Written(_)));
}

fn sign_with(cell: &TestCell, officer: &str, path: &Path) -> PathBuf {
    let key = cell.cell.directory.join("officers").join(officer);
    let signature = keys::ssh_sign(&key, OFFICER_NAMESPACE, &std::fs::read(path).unwrap()).unwrap();
    let signature_path = PathBuf::from(format!("{}.sig", path.display()));
    std::fs::write(&signature_path, signature).unwrap();
    signature_path
}

fn send(cell: &TestCell, signature: &Path, body: &StatementBody) -> Result<Envelope, Failure> {
    let signing = Signing { signature: Some(signature.to_owned()), ..signing("bob") };
    match signing.prepare(&cell.session, cell.state(), body.clone())? {
        Prepared::Signed(signed) => Ok(signed.envelope),
        Prepared::Written(_) => panic!("nothing was to be written"),
    }
}

#[test]
fn statement_signed_elsewhere_acts_like_one_signed_here() {
    let mut cell = TestCell::new();
    let ceremony = proposed(&mut cell);
    let body = StatementBody::ApproveCeremony(ceremony);
    let path = cell.path("approve.txt");
    write(&cell, &body, &path);
    let signature = sign_with(&cell, "bob", &path);
    let envelope = send(&cell, &signature, &body).unwrap();
    cell.accept(&envelope);
    let approvals = &cell.state().ceremony(&ceremony).unwrap().approvals;
    assert_eq!(approvals[0].officer.as_str(), "bob");
}

#[test]
fn ssh_keygen_makes_the_same_kind_of_signature() {
    let keygen = std::process::Command::new("ssh-keygen").arg("-?").output();
    if keygen.is_err() {
        eprintln!("ssh-keygen is not installed: skipped");
        return;
    }
    let mut cell = TestCell::new();
    let ceremony = proposed(&mut cell);
    let body = StatementBody::ApproveCeremony(ceremony);
    let path = cell.path("approve.txt");
    write(&cell, &body, &path);
    let key = cell.cell.directory.join("officers/bob");
    let signed = std::process::Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", OFFICER_NAMESPACE, "-f"])
        .arg(key)
        .arg(&path)
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let envelope = send(&cell, &cell.path("approve.txt.sig"), &body).unwrap();
    cell.accept(&envelope);
}

#[test]
fn statement_about_something_else_than_the_command_is_refused() {
    let mut cell = TestCell::new();
    let ceremony = proposed(&mut cell);
    let path = cell.path("pause.txt");
    write(&cell, &StatementBody::ApproveCeremony(ceremony), &path);
    let signature = sign_with(&cell, "bob", &path);
    let failure = send(&cell, &signature, &cell.wallet_proposal()).unwrap_err();
    assert_eq!(failure.reason(), "STATEMENT_MISMATCH");
}

#[test]
fn statement_that_was_changed_after_it_was_written_is_refused() {
    let mut cell = TestCell::new();
    let ceremony = proposed(&mut cell);
    let body = StatementBody::ApproveCeremony(ceremony);
    let path = cell.path("approve.txt");
    write(&cell, &body, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    // Given a screen that shows another wallet, and an officer who signs what is shown
    std::fs::write(&path, text.replace("wallet: hot-1", "wallet: hot-2")).unwrap();
    let signature = sign_with(&cell, "bob", &path);
    // Then it is not what the log describes
    assert_eq!(send(&cell, &signature, &body).unwrap_err().reason(), "STATEMENT_MISMATCH");
    // And the original text with that signature is not signed
    std::fs::write(&path, text).unwrap();
    assert_eq!(send(&cell, &signature, &body).unwrap_err().reason(), "ENVELOPE_SIGNATURE_INVALID");
}

#[test]
fn signature_of_another_officer_or_key_is_refused() {
    let mut cell = TestCell::new();
    let ceremony = proposed(&mut cell);
    let body = StatementBody::ApproveCeremony(ceremony);
    let path = cell.path("approve.txt");
    write(&cell, &body, &path);
    let signature = sign_with(&cell, "alice", &path);
    assert_eq!(send(&cell, &signature, &body).unwrap_err().reason(), "ENVELOPE_SIGNATURE_INVALID");
    let wrong_key = Signing { key: Some(cell.cell.directory.join("officers/carol")), ..signing("bob") };
    let failure = wrong_key.prepare(&cell.session, cell.state(), body).map(|_| ()).unwrap_err();
    assert_eq!(failure.reason(), "ENVELOPE_SIGNATURE_INVALID");
}

#[test]
fn nobody_confirms_where_there_is_no_terminal() {
    let cell = TestCell::new();
    let silent = Signing { yes: false, ..signing("alice") };
    let failure =
        silent.prepare(&cell.session, cell.state(), cell.wallet_proposal()).map(|_| ()).unwrap_err();
    assert!(failure.to_string().contains("--yes"), "{failure}");
}

#[test]
fn statement_names_what_the_log_knows_and_not_what_the_command_said() {
    let mut cell = TestCell::ready();
    let request = cell.request("20000 USDT");
    let id = cell.ask(&request);
    let held = cell.state().withdrawal(&id).unwrap().state_at(clock::now());
    assert_eq!(held, WithdrawalState::Held);
    let envelope = cell.statement("alice", StatementBody::ApproveHold(id));
    let text = String::from_utf8(envelope.payload.clone()).unwrap();
    assert!(text.contains("pays: 20000 USDT\n"), "{text}");
    assert!(text.contains(&format!("to address: {}\n", crate::testing::PAYEE)), "{text}");
    assert!(verify_act(&cell.session.genesis.roster, &envelope).is_ok());
}

#[test]
fn pause_without_a_log_is_the_statement_that_nodes_expect() {
    let cell = TestCell::ready();
    let body = StatementBody::PauseWallet("hot-1".parse().unwrap());
    let address = crate::testing::wallet_public().address();
    let lines = Lines::unread(vec![("address".to_owned(), address.to_string())]);
    let prepared = signing("carol").prepare(&cell.session, &lines, body.clone()).unwrap();
    let Prepared::Signed(signed) = prepared else { panic!("nothing was to be written") };
    let act = verify_act(&cell.session.genesis.roster, &signed.envelope).unwrap();
    let Ok(Act::Statement { statement, text, .. }) = act.act() else { panic!("no statement") };
    cell.state().check_protective(statement, text).unwrap();
}

#[test]
fn officer_sees_how_old_the_log_is_before_being_asked() {
    let cell = TestCell::ready();
    let page = shown(cell.state(), "wallet: hot-1\n");
    let parts = ["  | wallet: hot-1\n", "four words: ", "made from: a state in memory"];
    assert!(parts.iter().all(|part| page.contains(part)), "{page}");
}
