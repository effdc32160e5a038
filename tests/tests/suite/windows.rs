//! Sliding windows through real processes: withdrawals that race for the rest of a limit, and limits in dollars.

use futures::future::join_all;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{Cluster, PAYEE, Request, reason_code};

/// A running cell whose policy has one more rule.
async fn cell(window: &str) -> Cluster {
    let rule = format!(
        "[[restriction]]\nid = \"window\"\ntype = \"limit_window\"\n{window}\n\n[prices]\nmax_age_ms = 60000\nproviders = [\"sessions\"]\n\n[risk]"
    );
    Cluster::with_policy(|policy| policy.replacen("[risk]", &rule, 1)).await
}

/// Ten of 24 fit into the wallet's 250, four into each customer's 100.
#[tokio::test]
async fn of_two_hundred_that_race_for_two_windows_exactly_those_that_fit_are_signed() {
    const CUSTOMERS: [&str; 3] = ["customer-a", "customer-b", "customer-c"];
    let window = "asset = \"USDT\"\nper = [\"wallet\"]\nwindow_ms = 86400000\ndeny_above = \"250000000\"\n\n\
                  [[restriction]]\nid = \"own-window\"\ntype = \"limit_window\"\nasset = \"USDT\"\nper = [\"customer\"]\n\
                  window_ms = 86400000\ndeny_above = \"100000000\"";
    let cluster = cell(window).await;
    let provider = cluster.provider().await;
    for customer in CUSTOMERS {
        provider.report(customer, false, false).await;
    }
    let pipelines = join_all((0..4).map(|_| cluster.pipeline())).await;
    let of =
        |number: usize| cluster.request_of(24, PAYEE).set("customer", CUSTOMERS[number % CUSTOMERS.len()]);
    let requests: Vec<Request> = (0..200).map(of).collect();
    let racing = requests.iter().zip(pipelines.iter().cycle());
    let ended = join_all(racing.map(|(request, pipeline)| pipeline.submit(request))).await;
    let ended: Vec<v1::Withdrawal> = ended.into_iter().map(Result::unwrap).collect();
    let is_signed = |withdrawal: &&v1::Withdrawal| withdrawal.state() == State::Signed;
    let signed = ended.iter().filter(is_signed).count();
    let refused = ended.iter().filter(|withdrawal| {
        (withdrawal.state(), reason_code(withdrawal).as_str()) == (State::Denied, "WINDOW_LIMIT_REACHED")
    });
    assert_eq!((signed, refused.count()), (10, 190));
    for customer in CUSTOMERS {
        let own = ended.iter().filter(is_signed).filter(|withdrawal| withdrawal.customer == customer).count();
        assert!((2..=4).contains(&own), "{customer}: {own} of four that fit");
    }
    // What is left still fits, to the base unit.
    let pipeline = cluster.pipeline().await;
    let more = pipeline.submit(&cluster.request_of(11, PAYEE)).await.unwrap();
    assert_eq!(reason_code(&more), "WINDOW_LIMIT_REACHED");
    let rest = pipeline.submit(&cluster.request_of(10, PAYEE)).await.unwrap();
    assert_eq!(rest.state(), State::Signed, "{:?}", rest.reason);
}

#[tokio::test]
async fn a_limit_in_dollars_wants_a_signed_price_and_follows_it() {
    let window = "unit = \"usd_cents\"\nper = [\"customer\"]\nwindow_ms = 86400000\ndeny_above = \"100000\"";
    let cluster = cell(window).await;
    let pipeline = cluster.pipeline().await;
    let blind = pipeline.submit(&cluster.request_of(1, PAYEE)).await.unwrap();
    assert_eq!((blind.state(), reason_code(&blind).as_str()), (State::Denied, "PRICE_ABSENT"));
    cluster.provider().await.price("USDT", 2_000_000).await;
    let above = pipeline.submit(&cluster.request_of(501, PAYEE)).await.unwrap();
    assert_eq!((above.state(), reason_code(&above).as_str()), (State::Denied, "WINDOW_LIMIT_REACHED"));
    let within = pipeline.submit(&cluster.request_of(500, PAYEE)).await.unwrap();
    assert_eq!(within.state(), State::Signed, "{:?}", within.reason);
    let more = pipeline.submit(&cluster.request_of(1, PAYEE)).await.unwrap();
    assert_eq!(reason_code(&more), "WINDOW_LIMIT_REACHED");
}
