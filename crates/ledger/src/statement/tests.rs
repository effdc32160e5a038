use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_log::Hash;
use holdfast_policy::{BacktestDigest, DiffDigest, NodeId, PolicyHash, PolicyVersion};

use super::*;
use crate::ceremony::{Before, ImportGiver, NextChainCode, OldKey};
use crate::officer_key::OfficerKey;
use crate::roster::{MinimumCheckpoint, RosterChange, RosterVersion};

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

/// The generator of the curve.
fn old_point() -> holdfast_chains::PublicKey {
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap()
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
        StatementBody::ProposeMigration(MigrationProposal {
            wallet: wallet(),
            from_engine: "gg20".to_owned(),
            engine: "dkls23".to_owned(),
            from_epoch: 4,
            chain_code: NextChainCode::Fresh,
            givers: vec![node("node-1"), node("node-3")],
            receivers: vec![node("node-1"), node("node-2"), node("node-3")],
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
        StatementBody::WithdrawApproval(WithdrawalId::of("c", "p", "k")),
        StatementBody::RevokeWhitelistEntry(WhitelistEntryId::new("e-1").unwrap()),
        StatementBody::PauseWallet(wallet()),
        StatementBody::ProposeImport(Box::new(ImportProposal {
            wallet: WalletProposal {
                wallet: wallet(),
                engine: "dkls23".to_owned(),
                t: 2,
                n: 3,
                nodes: vec![node("node-1"), node("node-2"), node("node-3")],
            },
            old: OldKey { t: 2, public_key: old_point(), verifying_shares: vec![old_point(); 3] },
            givers: vec![
                ImportGiver { node: node("node-1"), party: 3 },
                ImportGiver { node: node("node-3"), party: 1 },
            ],
        })),
        StatementBody::RevokeClient("pipeline".parse().unwrap()),
        StatementBody::ProposePolicy(PolicyProposal {
            version: PolicyVersion(3),
            replaces: PolicyHash::from_bytes([1; 32]),
            policy: PolicyHash::from_bytes([2; 32]),
            diff: DiffDigest::from_bytes([3; 32]),
            backtest: BacktestClaim {
                size: 17,
                digest: BacktestDigest::from_bytes([4; 32]),
                decided: 9,
                flips: 2,
                customers: 1,
                held: Before { before: 3, after: 4 },
                denied: Before { before: 5, after: 0 },
            },
        }),
    ]
    .into_iter()
    .chain(roster_changes())
    .collect()
}

fn roster_changes() -> impl Iterator<Item = StatementBody> {
    let key = |seed: u8| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let ssh = ssh_key::private::Ed25519Keypair::from_seed(&[3; 32]);
    let ssh = ssh_key::PrivateKey::from(ssh).public_key().to_openssh().unwrap();
    let changes = vec![
        RosterChange::AddOfficer {
            name: OfficerId::new("dave").unwrap(),
            roles: ["approver".parse().unwrap(), "security-officer".parse().unwrap()].into(),
            key: OfficerKey::parse(&ssh).unwrap(),
        },
        RosterChange::RemoveOfficer { name: OfficerId::new("dave").unwrap() },
        RosterChange::AddClient {
            name: "pipeline".parse().unwrap(),
            key: key(1),
            wallets: [WalletId::new("hot-1").unwrap(), WalletId::new("hot-2").unwrap()].into(),
            expires_at: TimestampMs(1_763_800_000_000),
        },
        RosterChange::RemoveClient { name: "pipeline".parse().unwrap() },
        RosterChange::ReplaceNodeKeys {
            node: NodeId::new("node-2").unwrap(),
            cosigning_key: key(1),
            message_key: key(2),
            minimum: MinimumCheckpoint { size: 12, root: Hash([4; 32]) },
        },
        RosterChange::ReplaceCoordinatorKeys { log_key: Some(key(1)), entry_key: None },
        RosterChange::ReplaceCoordinatorKeys { log_key: None, entry_key: Some(key(1)) },
        RosterChange::ReplaceCoordinatorKeys { log_key: Some(key(2)), entry_key: Some(key(1)) },
    ];
    changes.into_iter().map(|change| {
        StatementBody::ProposeRosterChange(Box::new(RosterProposal {
            version: RosterVersion(4),
            digest: "ab".repeat(32).parse().unwrap(),
            change,
        }))
    })
}

#[test]
fn lists_and_keys_of_a_roster_change_have_one_spelling() {
    let texts: Vec<_> = roster_changes().map(|body| statement(body).render(&[])).collect();
    let officer = &texts[0];
    let comment = officer.lines().find(|line| line.starts_with("key: ")).unwrap();
    for bad in [
        officer.replace("role: approver\nrole: security-officer", "role: security-officer\nrole: approver"),
        officer.replace("role: security-officer\n", "role: approver\n"),
        officer.replace(comment, &format!("{comment} dave@laptop")),
        texts[2].replace("wallet: hot-1\nwallet: hot-2\n", ""),
        texts[2].replace("key: ", "key: 0x"),
        texts[2].lines().fold(String::new(), |text, line| match line.strip_prefix("key: ") {
            Some(key) => text + "key: " + &key.to_uppercase() + "\n",
            None => text + line + "\n",
        }),
        texts[5].replace("log key: ", "log key: AA"),
        texts[5]
            .lines()
            .filter(|line| !line.starts_with("log key"))
            .fold(String::new(), |text, line| text + line + "\n"),
        texts[1].replace("change: remove an officer", "change: remove everybody"),
    ] {
        assert!(Statement::parse(bad.as_bytes()).is_err(), "{bad}");
    }
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

#[test]
fn validity_and_note_are_judged_when_a_statement_is_read() {
    let mut pause = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    pause.expires_at = Some(TimestampMs(pause.issued_at.0 + 1));
    assert_eq!(field_at_fault(&pause.render(&[])), "expires", "a protective statement with an end");
    pause.expires_at = None;
    pause.note = "x".repeat(121);
    assert_eq!(field_at_fault(&pause.render(&[])), "note");
    let mut approve = statement(StatementBody::ApproveHold(WithdrawalId::of("c", "p", "k")));
    for expires_at in [None, Some(approve.issued_at)] {
        approve.expires_at = expires_at;
        assert_eq!(field_at_fault(&approve.render(&[])), "expires");
    }
}

#[test]
fn longest_note_and_longest_statement_are_read_and_nothing_longer() {
    let mut pause = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    pause.note = "~ !".repeat(40);
    pause.check().unwrap();
    let padded = |size: usize| {
        let bare = pause.render(&[("address".to_owned(), String::new())]).len();
        pause.render(&[("address".to_owned(), "x".repeat(size - bare))])
    };
    let longest = padded(MAX_STATEMENT_BYTES);
    assert_eq!(Statement::parse(longest.as_bytes()).unwrap().0, pause);
    assert!(Statement::parse(padded(MAX_STATEMENT_BYTES + 1).as_bytes()).is_err());
}

/// The field at fault in a statement that was altered.
fn field_at_fault(text: &str) -> String {
    Statement::parse(text.as_bytes()).unwrap_err().field().unwrap().to_owned()
}

#[test]
fn engine_is_named_in_short_plain_text() {
    let text = statement(bodies().remove(0)).render(&[]);
    for (engine, good) in [
        ("a".repeat(64), true),
        ("a".repeat(65), false),
        ("gg20/v1.0_x-2".to_owned(), true),
        ("DKLS".to_owned(), false),
        ("a b".to_owned(), false),
        (String::new(), false),
    ] {
        let text = text.replace("engine: dkls23", &format!("engine: {engine}"));
        match Statement::parse(text.as_bytes()) {
            Ok(_) => assert!(good, "{engine}"),
            Err(error) => assert!(!good && error.field() == Some("engine"), "{engine}: {error:?}"),
        }
    }
}

#[test]
fn lists_of_a_statement_are_as_long_as_they_may_be_and_no_longer() {
    let lines =
        |key: &str, count: usize| (0..count).map(|i| format!("{key}: n-{i:02}\n")).collect::<String>();
    let wallet = statement(bodies().remove(0)).render(&[]);
    let nodes = "node: node-1\nnode: node-2\nnode: node-3\n";
    assert!(Statement::parse(wallet.replace(nodes, &lines("node", 16)).as_bytes()).is_ok());
    assert_eq!(field_at_fault(&wallet.replace(nodes, &lines("node", 17))), "node");
    let client = statement(roster_changes().nth(2).unwrap()).render(&[]);
    let wallets = "wallet: hot-1\nwallet: hot-2\n";
    assert!(Statement::parse(client.replace(wallets, &lines("wallet", 32)).as_bytes()).is_ok());
    assert_eq!(field_at_fault(&client.replace(wallets, &lines("wallet", 33))), "wallet");
}

#[test]
fn lists_of_a_statement_have_one_spelling() {
    let entry = statement(bodies().remove(2)).render(&[]);
    let assets = "asset: ETH\nasset: USDT\n";
    for bad in ["", "asset: USDT\nasset: ETH\n", "asset: ETH\nasset: ETH\n"] {
        assert_eq!(field_at_fault(&entry.replace(assets, bad)), "asset", "{bad}");
    }
    let client = statement(roster_changes().nth(2).unwrap()).render(&[]);
    for bad in ["", "wallet: hot-2\nwallet: hot-1\n", "wallet: hot-1\nwallet: hot-1\n"] {
        let altered = client.replace("wallet: hot-1\nwallet: hot-2\n", bad);
        assert_eq!(field_at_fault(&altered), "wallet", "{bad}");
    }
}

#[test]
fn empty_note_has_no_line() {
    let mut pause = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    pause.note.clear();
    let text = pause.render(&[]);
    assert!(!text.contains("note"));
    assert_eq!(Statement::parse(text.as_bytes()).unwrap().0, pause);
    assert_eq!(field_at_fault(&format!("{text}note: \"\"\n")), "note");
}

#[test]
fn text_that_a_screen_could_show_as_another_is_refused_even_in_lines_that_only_describe() {
    let pause = statement(StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()));
    let described = |value: &str| pause.render(&[("address".to_owned(), value.to_owned())]);
    assert_eq!(Statement::parse(described(" ~").as_bytes()).unwrap().0, pause);
    for bad in ["0x\u{202e}00", "0x00\r", "0x00\u{8}1", "0x00\t", "0x00\u{7f}", "\u{e4}"] {
        assert_eq!(field_at_fault(&described(bad)), "statement", "{bad:?}");
    }
}
