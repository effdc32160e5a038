//! What searches of the whole log cost a coordinator.

use std::time::Instant;

use holdfast_proto::v1;
use holdfast_proto::v1::audit_service_client::AuditServiceClient;
use holdfast_transport::Role;
use holdfast_transport::client::{Endpoint, Timeouts, connect};
use serde_json::{Value, json};

use crate::cell::{COORDINATOR, Cell};

pub(crate) async fn measure(cell: &Cell) -> Value {
    let (_running, _) = cell.start(COORDINATOR).await;
    let endpoint = Endpoint {
        address: cell.address(COORDINATOR).to_string(),
        expected: cell.identity(Role::Coordinator, COORDINATOR),
    };
    let channel = connect(&endpoint, &cell.tls("auditor"), &Timeouts::default()).await.unwrap();
    let mut service = AuditServiceClient::new(channel);
    let denied = v1::SearchRequest { outcome: v1::Outcome::Deny.into(), ..Default::default() };
    let officer = v1::SearchRequest { officer: "alice".to_owned(), ..Default::default() };
    let mut results = Vec::new();
    for (name, request) in [("denied", denied), ("statements of one officer", officer)] {
        let began = Instant::now();
        let mut stream = service.search(request).await.unwrap().into_inner();
        let mut hits = 0_u64;
        while stream.message().await.unwrap().is_some() {
            hits += 1;
        }
        let took = began.elapsed().as_secs_f64();
        println!("search, {name}: {hits} of {} entries in {took:.2} s", cell.size());
        results.push(json!({"search": name, "hits": hits, "s": took}));
    }
    results.into()
}
