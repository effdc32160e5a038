//! What the parts of a coordinator share. It owns nothing itself.

use std::sync::Arc;

use crate::clock::Clock;
use crate::cosigned::Cosigned;
use crate::given_up::GivenUp;
use crate::log_book::LogBook;
use crate::nodes::Nodes;
use crate::progress::Progress;
use crate::risk_providers::RiskProviders;
use crate::sequencer::Sequencer;
use crate::speaker::Speaker;
use crate::witnesses::WitnessBoard;

/// The parts. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    /// The log.
    pub book: Arc<LogBook>,
    /// The only way into it.
    pub sequencer: Sequencer,
    /// What nodes cosigned.
    pub cosigned: Arc<Cosigned>,
    /// The nodes.
    pub nodes: Arc<Nodes>,
    /// Outside witnesses.
    pub witnesses: Arc<WitnessBoard>,
    /// Who is asked about destinations.
    pub risk_providers: Arc<RiskProviders>,
    /// What is going on.
    pub progress: Arc<Progress>,
    /// What is not signed any more because somebody gave it up.
    pub given_up: Arc<GivenUp>,
    /// Signs the coordinator's own entries.
    pub speaker: Arc<Speaker>,
    /// The time.
    pub clock: Clock,
}
