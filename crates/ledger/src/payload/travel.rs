//! A provider's report on the exchange of originator and beneficiary data about one withdrawal. No personal data: the message is
//! kept beside the log, and here is only its salted hash.

use holdfast_policy::{ClusterId, ProviderId, TimestampMs, TravelState};
use serde::{Deserialize, Serialize};

use crate::ids::{DocumentDigest, WithdrawalId};

/// How far the exchange about one withdrawal has come. Sequence numbers are shared with the provider's other reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TravelRuleReport {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The provider that exchanged the data.
    pub provider: ProviderId,
    /// 1 for the provider's first report, then one more each time: a dropped report is noticed.
    pub sequence: u64,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// SHA-256 of the exact request payload: what was exchanged is about this intent and no other.
    #[serde(with = "hex::serde")]
    pub intent: [u8; 32],
    /// How far it has come.
    pub state: TravelState,
    /// SHA-256 of the salted message, or of the salted proof that the wallet is self-hosted; whoever has both can show it.
    pub message: DocumentDigest,
    /// When the provider observed it.
    pub observed_at_ms: TimestampMs,
}
