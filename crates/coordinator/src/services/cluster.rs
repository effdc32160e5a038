//! `ClusterService`: is everything up, and who is missing.

use std::collections::BTreeMap;

use holdfast_ledger::{NodeEntry, State};
use holdfast_proto::convert::{ClusterNodeView, paused_wallet};
use holdfast_proto::v1;
use holdfast_proto::v1::cluster_service_server::ClusterService;
use tonic::{Request, Response, Status};

use crate::coordinator::Coordinator;
use crate::nodes::Health;
use crate::status::RequestError;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct ClusterApi(pub(crate) Coordinator);

#[tonic::async_trait]
impl ClusterService for ClusterApi {
    async fn status(
        &self,
        _request: Request<v1::ClusterStatusRequest>,
    ) -> Result<Response<v1::ClusterStatus>, Status> {
        Ok(Response::new(self.stands().await?))
    }
}

impl ClusterApi {
    async fn stands(&self) -> Result<v1::ClusterStatus, RequestError> {
        let checkpoint = self.0.published_checkpoint().await?;
        let now_ms = self.0.clock.now().0;
        let reader = self.0.book.read().await?;
        let genesis = reader.state().genesis();
        // Sorted by name, as the roster's order is the parties'.
        let roster: BTreeMap<&str, &NodeEntry> =
            genesis.document.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
        Ok(v1::ClusterStatus {
            cluster: reader.state().cluster().to_string(),
            genesis_hash: genesis.hash.to_vec(),
            coordinator_version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: now_ms,
            log_size: reader.size(),
            checkpoint: checkpoint.to_bytes(),
            nodes: roster.into_values().map(|node| self.node(reader.state(), node, now_ms)).collect(),
            hostile_nodes: reader.state().roster().hostile_nodes().into(),
            roster_version: reader.state().roster().version().0,
            policy_version: reader.state().policy_version().0,
            policy_hash: reader.state().policy_digest().as_bytes().to_vec(),
            witnesses: self.witnesses(reader.state()),
            paused_wallets: reader.state().wallets().filter_map(paused_wallet).collect(),
            witnesses_required: u32::try_from(reader.state().witnesses_required()).unwrap_or(u32::MAX),
        })
    }

    /// Outside witnesses, sorted by name.
    fn witnesses(&self, state: &State) -> Vec<v1::ClusterWitness> {
        let listed: BTreeMap<&str, ()> =
            state.roster().witnesses().iter().map(|witness| (witness.name.as_str(), ())).collect();
        listed.into_keys().map(|name| self.0.witnesses.stands(name)).collect()
    }

    fn node(&self, state: &State, node: &NodeEntry, now_ms: u64) -> v1::ClusterNode {
        let attested = state.attestations().find(|newest| newest.node == node.name && newest.agrees);
        let health = self.0.nodes.link(&node.name).map(|link| link.health());
        let health =
            health.unwrap_or_else(|| Health { last_error: "not configured".to_owned(), ..Health::default() });
        ClusterNodeView {
            name: &node.name,
            operator: &node.operator,
            provider: &node.provider,
            region: &node.region,
            reachable: health.reachable,
            tip_size: health.tip_size,
            root: health.root,
            cosignature_time_ms: health.cosigned_at_s.map(|time_s| time_s.saturating_mul(1_000)),
            now_ms,
            clock_offset_ms: health.clock_offset_ms,
            round_trip_us: health.round_trip.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
            latches: &health.latches,
            last_error: &health.last_error,
            enrolled: health.enrolled,
            serving: health.serving,
            incarnation: health.incarnation,
            attested_size: attested.map_or(0, |newest| newest.size),
            unmaintained_engines: &health.unmaintained_engines,
        }
        .to_wire()
    }
}
