use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_policy::NodeId;

use super::*;

fn statement(body: StatementBody) -> Statement {
    let protective = body.is_protective();
    Statement {
        cluster: ClusterId::new("demo").unwrap(),
        officer: OfficerId::new("alice").unwrap(),
        issued_at: TimestampMs(1_763_700_000_004),
        expires_at: (!protective).then_some(TimestampMs(1_763_703_600_004)),
        note: "called back on the known number".to_owned(),
        body,
    }
}

fn bodies() -> Vec<StatementBody> {
    let wallet = || WalletId::new("hot-1").unwrap();
    let digest = StatementDigest::of(b"x");
    let node = |name: &str| NodeId::new(name).unwrap();
    vec![
        StatementBody::ProposeWallet(WalletProposal {
            wallet: wallet(),
            engine: "dkls23".to_owned(),
            t: 2,
            n: 3,
            nodes: vec![node("node-1"), node("node-2"), node("node-3")],
        }),
        StatementBody::ProposeWhitelistEntry(WhitelistProposal {
            chain_id: ChainId(1),
            address: Address::parse("0xdAC17F958D2ee523a2206206994597C13D831ec7").unwrap(),
            assets: vec![AssetSymbol::parse("ETH").unwrap(), AssetSymbol::parse("USDT").unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(1_763_800_000_000),
        }),
        StatementBody::ProposeResume { wallet: wallet(), lifts: vec![digest] },
        StatementBody::ApproveCeremony(CeremonyId::of(&digest)),
        StatementBody::ApproveHold(WithdrawalId::of("c", "p", "k")),
        StatementBody::RejectHold(WithdrawalId::of("c", "p", "k")),
        StatementBody::RevokeWhitelistEntry(WhitelistEntryId::new("e-1").unwrap()),
        StatementBody::PauseWallet(wallet()),
    ]
}

#[test]
fn every_statement_reads_back_as_itself() {
    for body in bodies() {
        let statement = statement(body);
        let text = statement.render(&[]);
        let (read, exact) = Statement::parse(text.as_bytes()).unwrap();
        assert_eq!(read, statement, "{text}");
        assert_eq!(exact, text);
    }
}

#[test]
fn details_are_passed_over_but_not_lost() {
    let statement = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    let details = [("address".to_owned(), "0x00".to_owned())];
    let text = statement.render(&details);
    assert_eq!(Statement::parse(text.as_bytes()).unwrap().0, statement);
    assert!(text.contains("\naddress: 0x00\n"));
}

#[test]
fn no_officer_can_smuggle_a_line_through_a_note() {
    let mut statement = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    for note in ["a\nwallet: cold-1", "a\"b", "a\\b", "ä", &"x".repeat(121)] {
        note.clone_into(&mut statement.note);
        assert_eq!(statement.check().unwrap_err().field(), "note", "{note:?}");
    }
}

#[test]
fn malformed_texts_are_refused() {
    let good = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap())).render(&[]);
    for bad in [
        good.replace("Holdfast statement v1", "Holdfast statement v2"),
        good.replace("cluster: demo\n", ""),
        good.replace('\n', "\r\n"),
        good.trim_end().to_owned(),
        good.replace("action: pause a wallet", "action: drain a wallet"),
        good.replace("issued: 2025-11-21T04:40:00.004Z", "issued: 2025-11-21T04:40:00Z"),
        format!("{good}extra: line\n"),
        good.replace("note: \"", "note: "),
        "x".repeat(MAX_STATEMENT_BYTES + 1),
    ] {
        assert!(Statement::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn protective_statements_never_expire_and_all_others_must() {
    let mut pause = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    pause.expires_at = Some(TimestampMs(u64::MAX / 2));
    assert!(pause.check().is_err());
    let mut approve = statement(StatementBody::ApproveHold(WithdrawalId::of("c", "p", "k")));
    approve.expires_at = None;
    assert!(approve.check().is_err());
    approve.expires_at = Some(approve.issued_at);
    assert!(approve.check().is_err());
}
