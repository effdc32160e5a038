//! Owns the states of a Travel Rule exchange: how far two providers are with telling each other who pays and who is paid. No
//! personal data: what was exchanged stays beside the log, and the log has a salted hash of it.

use serde::{Deserialize, Serialize};

use crate::ids::ProviderId;

/// How far the exchange about one withdrawal has come, the harmless first: of several providers' reports the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TravelState {
    /// The beneficiary's wallet is self-hosted, and proven to be the customer's: there is nobody to tell.
    NotRequired,
    /// The other provider accepted what it was told.
    Accepted,
    /// The other provider was told and has not answered.
    Sent,
    /// Another provider is to be told and was not.
    Required,
    /// The other provider refused.
    Rejected,
}

impl TravelState {
    /// Every state, the harmless first.
    pub const ALL: [Self; 5] =
        [Self::NotRequired, Self::Accepted, Self::Sent, Self::Required, Self::Rejected];

    /// The state's name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotRequired => "not-required",
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Required => "required",
            Self::Rejected => "rejected",
        }
    }
}

/// What one provider reported last about one withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TravelReport {
    /// Who reported.
    pub provider: ProviderId,
    /// How far the exchange has come.
    pub state: TravelState,
}
