//! Durable writes that an honest cell makes once in a while or never: oaths, what others witnessed, bans.

use holdfast_ledger::{CeremonyId, Outcome, State as LogState, Statement, WithdrawalState};
use holdfast_log::Envelope;
use holdfast_policy::{TimestampMs, WalletId};
use holdfast_tests::hostile_node::{Control, Deviation, Phase};

use super::*;

const PAIR: [&str; 2] = ["node-1", "node-2"];
const SKEW_MS: u64 = 1_000;
/// How long the statements of a ceremony that comes too late are valid.
const VALID_MS: u64 = 1_500;

/// Starts node-1 so that it dies at the point, as soon as somebody makes it go there.
async fn doomed(cluster: &Cluster, point: CrashPoint) {
    cluster.kill_9("node-1");
    cluster.start_crashing("node-1", point.name());
    cluster.wait_healthy("node-1").await;
}

/// Waits until it is dead, and starts the real program.
async fn revived(cluster: &Cluster, point: CrashPoint) {
    assert_eq!(cluster.ends_by_itself("node-1", PATIENCE).await.signal(), Some(9), "{point}");
    cluster.bring_up("node-1").await;
}

#[tokio::test]
async fn a_node_killed_while_it_swears_has_sworn_durably_or_not_at_all() {
    let cluster = Cluster::ready(Options::default()).await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    for point in OATH {
        // Given an authorized withdrawal, and a node that dies when it is asked to swear it off
        let id = hostile.authorized(&cluster.request());
        doomed(&cluster, point).await;
        hostile.oath_of("node-1", &id).await.unwrap_err();
        revived(&cluster, point).await;
        if point == CrashPoint::BeforeOath {
            // Then it swore nothing: it signs, and does not swear afterwards
            hostile.sign(&id, &PAIR).await.unwrap();
            refused(hostile.oath_of("node-1", &id).await, Code::FailedPrecondition, "TOMBSTONE_REFUSED");
            continue;
        }
        // Or it keeps to an oath that nobody has heard, and says it when it is asked again
        let order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
        refused(hostile.prepare_at("node-1", order).await, Code::FailedPrecondition, "SWORN_OFF");
        for node in ["node-1", "node-3"] {
            let oath = hostile.oath_of(node, &id).await.unwrap();
            hostile.log.append(&oath);
        }
        let state = hostile.log.state().withdrawal(&id).unwrap().logged_state();
        assert_eq!(state, WithdrawalState::Tombstoned);
        hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    }
}

/// What two officers say about lifting all pauses of the wallet, valid for a moment.
fn said_about_resuming(cluster: &Cluster, hostile: &Hostile<'_>) -> Vec<Envelope> {
    let wallet: WalletId = WALLET.parse().unwrap();
    let mut aside = hostile.log.clone();
    let says = |state: &LogState, name: &str, body: StatementBody| {
        let statement = Statement {
            cluster: state.cluster().clone(),
            officer: name.parse().unwrap(),
            issued_at: TimestampMs(now_ms()),
            expires_at: Some(TimestampMs(now_ms() + VALID_MS)),
            note: String::new(),
            body,
        };
        cluster.officer(name).sign(&state.statement_text(&statement).unwrap())
    };
    let lifts = aside.state().wallet(&wallet).unwrap().pauses.iter().map(|pause| pause.statement).collect();
    let proposal = says(aside.state(), "alice", StatementBody::ProposeResume { wallet, lifts });
    let Outcome::Admitted(admission) = aside.append(&proposal).outcome else { panic!("no proposal") };
    let id: CeremonyId = admission.ceremony.unwrap();
    let approvals =
        ["alice", "bob"].map(|name| says(aside.state(), name, StatementBody::ApproveCeremony(id)));
    std::iter::once(proposal).chain(approvals).collect()
}

#[tokio::test]
async fn a_node_killed_while_it_notes_what_others_witnessed_keeps_it_or_is_shown_it_again() {
    let mut cluster = Cluster::make(Options::default());
    cluster.amend_genesis(|document| document["max_clock_skew_ms"] = SKEW_MS.into());
    cluster.start_all().await;
    cluster.create_wallet(WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    // Given a pause that was lifted in time, of which node-1 hears too late
    let pause = hostile.officer_says("carol", StatementBody::PauseWallet(WALLET.parse().unwrap()));
    hostile.log.append(&pause);
    let said = said_about_resuming(&cluster, &hostile);
    let then = hostile.now();
    tokio::time::sleep(Duration::from_millis(VALID_MS + SKEW_MS + 1_500)).await;
    for envelope in &said {
        let applied = hostile.log.append_at(then, envelope);
        assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
    }
    let lifted = hostile.log.size();
    let id = hostile.authorized(&cluster.request());
    let late = |result| refused(result, Code::FailedPrecondition, "STATEMENT_CAME_TOO_LATE");
    let order = async || hostile.order("node-1", &new_session(), &id, &PAIR).await;
    late(hostile.prepare_at("node-1", order().await).await);
    // And the word of two nodes that held it then
    let keys = ["node-2", "node-3"].map(|node| (node, cluster.ed25519_key(&format!("{node}/cosigning.key"))));
    let evidence = hostile.cosigned_before(lifted, &keys, then / 1_000);
    for point in MOMENT {
        doomed(&cluster, point).await;
        let mut shown = order().await;
        shown.replication.as_mut().unwrap().evidence = vec![evidence.clone()];
        hostile.prepare_at("node-1", shown).await.unwrap_err();
        revived(&cluster, point).await;
        // Then what it did not keep counts for nothing, and what it kept it need not be shown again
        let result = hostile.prepare_at("node-1", order().await).await;
        if point == CrashPoint::BeforeWitnessed {
            late(result);
        } else {
            result.unwrap();
        }
    }
}

#[tokio::test]
async fn a_node_killed_while_it_bans_a_party_keeps_the_ban_or_told_nobody_why() {
    // Given that node-3 is in the wrong hands, and needed
    let cluster = Cluster::make(Options::default());
    let control = Control::create(cluster.path("hostile.queue"));
    PAIR.iter().for_each(|node| cluster.start(node));
    cluster.start_hostile("node-3", &control);
    cluster.start(COORDINATOR);
    for server in PAIR.iter().chain(&["node-3", COORDINATOR]) {
        cluster.wait_healthy(server).await;
    }
    cluster.create_wallet(WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    cluster.kill_9("node-2");
    for point in BAN {
        // When it attacks the state that signatures share, and node-1 dies while it bans it. One deviation is for one session: a
        // coordinator that still thinks node-2 alive could spend it on an attempt with that one.
        cluster.kill_9(COORDINATOR);
        cluster.bring_up(COORDINATOR).await;
        doomed(&cluster, point).await;
        let attacks = control.done().len();
        control.queue(&[Deviation::new(Phase::Sign, 1, "flip").of("ot-matrix")]);
        let pipeline = cluster.pipeline().await;
        let asked = pipeline.submit_only(&cluster.request()).await.unwrap();
        revived(&cluster, point).await;
        assert_eq!(control.done().len(), attacks + 1, "{point}");
        if point == CrashPoint::AfterBan {
            // Then the ban holds, and the payment needs somebody else
            eventually("node-1 keeps to its ban", PATIENCE, || async {
                cluster.log_text("node-1").contains("SIGNERS_BANNED").then_some(()).ok_or("it was not asked")
            })
            .await;
            assert_ne!(pipeline.get(&asked.id).await.unwrap().state(), State::Signed);
            cluster.bring_up("node-2").await;
        }
        // Or nobody heard of the failure, and the next attempt is an honest one
        pipeline.reaches(&asked.id, State::Signed, PATIENCE).await;
    }
    // And it is there after every further start
    cluster.kill_9("node-1");
    cluster.bring_up("node-1").await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let order = hostile.order("node-1", &new_session(), &id, &["node-1", "node-3"]).await;
    refused(hostile.prepare_at("node-1", order).await, Code::Aborted, "SIGNERS_BANNED");
    hostile.sign(&id, &PAIR).await.unwrap();
}
