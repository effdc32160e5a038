//! What an outside provider says about a destination.

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{ClusterId, ExposureCategory, ExposureSignal, ProviderId, TimestampMs};
use serde::{Deserialize, Serialize};

/// How far a destination is exposed to crime. Sequence numbers are shared with the provider's other reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposureReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The provider that says so.
    pub provider: ProviderId,
    /// 1 for the provider's first report, then one more each time: a dropped report is noticed.
    pub sequence: u64,
    /// The destination's chain.
    pub chain_id: ChainId,
    /// The destination.
    pub destination: Address,
    /// 0, nothing known against it, to 100.
    pub score: u8,
    /// What it is exposed to, in the provider's words: `sanctions`, `mixer`, `none`.
    pub category: ExposureCategory,
    /// How many transfers lie between it and the crime, if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// When the provider looked.
    pub observed_at_ms: TimestampMs,
}

impl ExposureReport {
    /// As the policy sees it.
    pub fn signal(&self) -> ExposureSignal {
        ExposureSignal {
            score: self.score,
            category: self.category.clone(),
            hops: self.hops,
            observed_at: self.observed_at_ms,
            provider: self.provider.clone(),
        }
    }
}
