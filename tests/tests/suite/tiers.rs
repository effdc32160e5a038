//! Tiers through real processes: a ceiling counts what leaves all wallets of its tier together, whichever of them is asked and
//! whoever has the coordinator's keys.

use futures::future::join_all;
use holdfast_ledger::{Outcome, PayloadKind, WithdrawalState, key_id};
use holdfast_log::Envelope;
use holdfast_policy::ProviderId;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{
    COORDINATOR, Cluster, Hostile, Options, Request, admitted, now_ms, reason_code, refused,
};
use serde_json::json;
use tonic::Code;

const WALLETS: [&str; 2] = ["hot-1", "hot-2"];
const PROVIDER: &str = "sessions";

/// A running cell with two wallets in one tier, whose ceiling for a day is this.
async fn cell(ceiling: &str) -> Cluster {
    let mut cluster = Cluster::make(Options::default());
    cluster.amend_genesis(|document| {
        let tier = format!(
            "[[tier]]\nid = \"hot\"\nwallets = [\"hot-1\", \"hot-2\"]\n\n[[tier.ceiling]]\nid = \"hot-day\"\n\
             window_ms = 86400000\n{ceiling}\n\n[prices]\nmax_age_ms = 600000\nproviders = [\"{PROVIDER}\"]\n\n[risk]"
        );
        let policy = document["policy"].as_str().unwrap().replacen("[risk]", &tier, 1);
        document["policy"] = policy.replacen("wallets = [\"hot-1\"]", "tiers = [\"hot\"]", 1).into();
        document["clients"][0]["wallets"] = json!(WALLETS);
    });
    cluster.start_all().await;
    cluster.make_ready().await;
    cluster.create_wallet(WALLETS[1]).await;
    cluster
}

/// 1,250 USDT from this wallet.
fn pays(cluster: &Cluster, wallet: &str) -> Request {
    cluster.request().set("wallet", wallet)
}

#[tokio::test]
async fn what_two_wallets_of_a_tier_pay_at_the_same_time_is_one_sum() {
    // Given a ceiling that four payments fill to the unit
    let cluster = cell("asset = \"USDT\"\ndeny_above = \"5000000000\"").await;
    let pipeline = cluster.pipeline().await;
    // When twelve race for it, six from each wallet
    let requests: Vec<Request> = (0..12).map(|number| pays(&cluster, WALLETS[number % 2])).collect();
    let ended = join_all(requests.iter().map(|request| pipeline.submit(request))).await;
    let ended: Vec<v1::Withdrawal> = ended.into_iter().map(Result::unwrap).collect();
    // Then exactly four are signed, and nothing more leaves either of them
    let signed = ended.iter().filter(|withdrawal| withdrawal.state() == State::Signed).count();
    let refused = ended.iter().filter(|withdrawal| {
        (withdrawal.state(), reason_code(withdrawal).as_str()) == (State::Denied, "TIER_CEILING_REACHED")
    });
    assert_eq!((signed, refused.count()), (4, 8));
    for wallet in WALLETS {
        let more = pipeline.submit(&pays(&cluster, wallet)).await.unwrap();
        assert_eq!(
            (more.state(), reason_code(&more).as_str()),
            (State::Denied, "TIER_CEILING_REACHED"),
            "{wallet}"
        );
    }
}

#[tokio::test]
async fn nodes_refuse_what_is_above_the_ceiling_of_a_tier_when_they_sign() {
    // Given a ceiling of 2,500 USD, and a thief with the coordinator's keys who has authorized 1,250 from each wallet
    let cluster = cell("unit = \"usd_cents\"\ndeny_above = \"250000\"").await;
    cluster.provider().await.price("USDT", 1_000_000).await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let [first, second] = WALLETS.map(|wallet| hostile.authorized(&pays(&cluster, wallet)));
    // A third payment from either is denied by the log itself
    for wallet in WALLETS {
        let applied = hostile.log.append(&pays(&cluster, wallet).signed(&cluster));
        let denied = hostile.log.state().withdrawal(&admitted(&applied)).unwrap();
        let now = hostile.log.state().last_time();
        assert_eq!(denied.state_at(now), WithdrawalState::Denied, "{wallet}: {denied:?}");
    }
    hostile.sign(&first, &["node-1", "node-2"]).await.unwrap();
    // When the price doubles, so that the second one and what the other wallet paid are above the ceiling
    let provider = ProviderId::new(PROVIDER).unwrap();
    let payload = json!({"cluster": cluster.name(), "provider": PROVIDER, "asset": "USDT",
        "sequence": hostile.log.state().next_sequence(&provider), "price_micro_usd": 2_000_000,
        "observed_at_ms": now_ms()});
    let (kind, key) = (PayloadKind::PriceReport, cluster.ed25519_key("provider/sessions.key"));
    let payload = serde_json::to_vec(&payload).unwrap();
    let price = Envelope::sign_ed25519(kind.payload_type(), payload, &key_id("provider", PROVIDER), &key);
    let applied = hostile.log.append(&price.unwrap());
    assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
    // Then no pair signs it
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]] {
        refused(hostile.sign(&second, &pair).await, Code::FailedPrecondition, "POLICY_REFUSES");
    }
}
