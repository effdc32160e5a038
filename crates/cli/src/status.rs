//! `holdfast status`: is everything up, and who is missing.

use clap::Args;
use comfy_table::{Table, presets};
use holdfast_audit::LogKeys;
use holdfast_log::SignedCheckpoint;
use holdfast_policy::readable;
use holdfast_proto::v1;
use holdfast_proto::v1::cluster_service_client::ClusterServiceClient;
use holdfast_transport::Role;
use serde_json::{Value, json};

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::session::Session;
use crate::wire;

/// Show nodes, tips, cosignature ages, clock offsets, and who is missing
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Operator whose certificate to use; the profile's default, or its reader, if absent
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
}

pub(crate) async fn run(session: &Session, args: &StatusArgs) -> Result<Answer, Failure> {
    let operator = session.profile.choose(Role::Operator, args.operator.as_deref());
    let who = operator.or_else(|_| session.profile.reader())?;
    let mut client = ClusterServiceClient::new(session.coordinator(&who).await?);
    let status = client.status(v1::ClusterStatusRequest {}).await?.into_inner();
    let cosigners = cosigners(session, &status)?;
    let missing: Vec<&str> =
        status.nodes.iter().filter(|node| !node.reachable).map(|node| node.name.as_str()).collect();
    let answer =
        Answer::new(json(&status, &cosigners, &missing), text(session, &status, &cosigners, &missing));
    let reachable = status.nodes.len().saturating_sub(missing.len());
    let enough = reachable >= usize::from(session.genesis.document.threshold.t);
    Ok(answer.with_exit(if enough { Exit::Success } else { Exit::Unavailable }))
}

/// The coordinator's table is its own word; the checkpoint in it is verified here.
fn cosigners(session: &Session, status: &v1::ClusterStatus) -> Result<Vec<String>, Failure> {
    if status.genesis_hash != session.genesis.hash {
        return Err(Failure::verification(
            "OTHER_GENESIS",
            "the coordinator runs a log with another genesis",
        ));
    }
    let rosters = session.rosters()?;
    let verified = SignedCheckpoint::parse(&status.checkpoint).and_then(|signed| {
        let keys = LogKeys::of(rosters.newest(&session.genesis))
            .map_err(|source| holdfast_log::CheckpointError::Origin { source })?;
        signed.verify(keys.log())?;
        signed.cosignatures(keys.cosigners())
    });
    let verified = verified.map_err(|error| {
        Failure::verification(error.code(), error.to_string())
            .next("if officers replaced the log's key, learn it first: holdfast roster show")
    })?;
    Ok(verified.iter().filter_map(|c| c.name.as_str().rsplit('/').next()).map(str::to_owned).collect())
}

fn json(status: &v1::ClusterStatus, cosigners: &[String], missing: &[&str]) -> Value {
    json!({
        "cluster": status.cluster,
        "genesis_sha256": hex::encode(&status.genesis_hash),
        "coordinator_version": status.coordinator_version,
        "time_ms": status.time_ms,
        "log_size": status.log_size,
        "cosigners": cosigners,
        "missing": missing,
        "paused_wallets": status.paused_wallets.iter().map(wire::paused_wallet).collect::<Vec<_>>(),
        "nodes": status.nodes.iter().map(wire::node).collect::<Vec<_>>(),
    })
}

fn text(session: &Session, status: &v1::ClusterStatus, cosigners: &[String], missing: &[&str]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "node",
        "operator",
        "provider",
        "region",
        "up",
        "tip",
        "cosigned",
        "clock",
        "round trip",
        "refuses",
    ]);
    for node in &status.nodes {
        table.add_row([
            node.name.clone(),
            node.operator.clone(),
            node.provider.clone(),
            node.region.clone(),
            if node.reachable { "yes".to_owned() } else { "NO".to_owned() },
            tip(node, status.log_size),
            node.cosignature_age_ms
                .map_or_else(|| "never".to_owned(), |age| format!("{} ago", clock::show_ms(age))),
            node.clock_offset_ms.map_or_else(|| "?".to_owned(), |offset| format!("{offset:+} ms")),
            node.round_trip_us.map_or_else(|| "?".to_owned(), |us| format!("{} us", us)),
            latches(node),
        ]);
    }
    let threshold = session.genesis.document.threshold;
    let errors: String = status
        .nodes
        .iter()
        .filter(|node| !node.last_error.is_empty())
        .map(|node| format!("{}: {}\n", node.name, node.last_error))
        .collect();
    let missing = if missing.is_empty() {
        "nobody is missing".to_owned()
    } else {
        format!("MISSING: {}", missing.join(", "))
    };
    let paused: String = status.paused_wallets.iter().map(paused).collect();
    let warnings = warnings(&status.nodes);
    format!(
        "cluster {}, {} of {} nodes sign, coordinator {}\nlog of {} entries, newest checkpoint cosigned by {}\n{missing}\n{paused}{warnings}\n{table}\n{errors}",
        status.cluster,
        threshold.t,
        threshold.n,
        status.coordinator_version,
        status.log_size,
        if cosigners.is_empty() { "nobody".to_owned() } else { cosigners.join(", ") },
    )
}

/// What an operator should know of the nodes' programs, by their own account.
fn warnings(nodes: &[v1::ClusterNode]) -> String {
    let with = nodes.iter().filter(|node| !node.unmaintained_engines.is_empty());
    let warning = |node: &v1::ClusterNode| {
        let engines = node.unmaintained_engines.join(", ");
        format!("WARNING: {} has an engine that nobody maintains: {engines}\n", node.name)
    };
    with.map(warning).collect()
}

fn paused(wallet: &v1::PausedWallet) -> String {
    let by = |pause: &v1::WalletPause| {
        let entry = pause.position.as_ref().map(|position| position.index).unwrap_or_default();
        match &pause.breaker {
            Some(trip) => {
                format!("circuit breaker {} (entry {entry}: {})", trip.rule, readable(&trip.cause))
            }
            None => format!("{} (entry {entry})", pause.officer),
        }
    };
    let by: Vec<_> = wallet.pauses.iter().map(by).collect();
    format!("PAUSED: {} by {}\n", wallet.wallet_id, by.join(", "))
}

fn tip(node: &v1::ClusterNode, log_size: u64) -> String {
    match log_size.saturating_sub(node.tip_size) {
        0 => node.tip_size.to_string(),
        behind => format!("{} (-{behind})", node.tip_size),
    }
}

fn latches(node: &v1::ClusterNode) -> String {
    let latches: Vec<_> = node
        .latches
        .iter()
        .map(|latch| format!("{} {} ({})", latch.scope, latch.id, latch.officer))
        .collect();
    if latches.is_empty() { "-".to_owned() } else { latches.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_with_an_unmaintained_engine_is_named_with_it_and_no_other() {
        let node = |name: &str, engines: &[&str]| v1::ClusterNode {
            name: name.to_owned(),
            unmaintained_engines: engines.iter().map(ToString::to_string).collect(),
            ..v1::ClusterNode::default()
        };
        let text = warnings(&[node("node-1", &[]), node("node-2", &["gg20-ecdsa-secp256k1/0.8"])]);
        assert_eq!(text, "WARNING: node-2 has an engine that nobody maintains: gg20-ecdsa-secp256k1/0.8\n");
    }

    #[test]
    fn breaker_that_paused_a_wallet_is_named_with_why() {
        let cause = "3 requests were denied within 3600000 ms, it lets 2 pass".to_owned();
        let breaker = v1::BreakerTrip { rule: "fuse".to_owned(), cause, ..v1::BreakerTrip::default() };
        let pause = v1::WalletPause { breaker: Some(breaker), ..v1::WalletPause::default() };
        let wallet = v1::PausedWallet { wallet_id: "hot-1".to_owned(), pauses: vec![pause] };
        assert_eq!(
            paused(&wallet),
            "PAUSED: hot-1 by circuit breaker fuse (entry 0: 3 requests were denied within 1 hour, it lets 2 pass)\n"
        );
    }
}
