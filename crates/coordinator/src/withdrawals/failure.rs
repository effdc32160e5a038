//! Why an attempt brought no signature, and what to do about it: in one table.

use std::time::Duration;

use holdfast_ledger::RejectionCode;
use holdfast_policy::NodeId;
use holdfast_proto::convert::Waiting;

use super::Lessons;
use crate::cosigned::Insufficient;
use crate::log_book::{LogBookError, LogFailed, ReadError};
use crate::nodes::{CallError, Spoilt, jittered};
use crate::sequencer::ProposeError;
use crate::speaker::SpeakError;

/// Pauses between attempts, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(3);
/// An attempt that failed by silence and took this long is remembered for all withdrawals.
const COSTLY: Duration = Duration::from_secs(1);
/// Failures that a node tells of without saying whose they are.
const UNATTRIBUTED: [&str; 3] = ["PEER_MESSAGE_INVALID", "SIGNERS_BANNED", "WALLET_SIGNATURE_INVALID"];
/// Pause after a refusal that only officers, the policy or time can change.
const SLOW: Duration = Duration::from_secs(10);

/// Why an attempt brought no signature.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is nothing more to sign: it is signed, or out of time, or no longer allowed.
    #[error("nothing to sign")]
    Ended,
    /// The state machine does not authorize it.
    #[error("not authorized: {detail}")]
    NotAuthorized { code: RejectionCode, detail: String },
    /// The sequencer is busy.
    #[error("the sequencer is busy")]
    Busy,
    /// Too few nodes are able at the moment.
    #[error("too few nodes can take part")]
    TooFewNodes { missing: Vec<NodeId> },
    /// A node does not take part, and says why.
    #[error("node `{node}` does not take part: {error}")]
    Node { node: NodeId, error: CallError },
    /// A node did not send what the protocol asks for.
    #[error("node `{node}` {problem}")]
    Protocol { node: NodeId, problem: &'static str },
    /// The signers do not say the same number of rounds; which of them is right shows only with others.
    #[error("the signers do not agree how many rounds the attempt has")]
    RoundsDiffer,
    /// The nodes made a signature that does not verify; nobody can be blamed for it.
    #[error("the signature does not verify")]
    Signature,
    /// The checkpoint lacks cosignatures that the genesis document demands.
    #[error(transparent)]
    Insufficient(Insufficient),
    /// The log has failed: the process is about to stop.
    #[error(transparent)]
    Log(#[from] LogBookError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Our own entry cannot be made.
    #[error(transparent)]
    Speak(#[from] SpeakError),
}

/// What to do after a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    End,
    /// Nothing until the log changes the withdrawal.
    Park(Waiting),
    /// Another attempt after a pause.
    Again { waiting: Option<Waiting>, pause: Duration },
}

impl From<LogFailed> for Failure {
    fn from(error: LogFailed) -> Self {
        Self::Log(error.into())
    }
}

impl From<Insufficient> for Failure {
    fn from(error: Insufficient) -> Self {
        match error {
            Insufficient::Failed(error) => Self::Log(error.into()),
            Insufficient::Nodes { .. } | Insufficient::Witnesses { .. } => Self::Insufficient(error),
        }
    }
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Rejected { rejection, .. } => {
                Self::NotAuthorized { code: rejection.code(), detail: rejection.detail().to_owned() }
            }
            // The clock may be set right; the log key will not come by itself, and nothing is signed without it.
            ProposeError::QueueFull | ProposeError::Clock(_) | ProposeError::NoLogKey => Self::Busy,
            ProposeError::Failed(error) => Self::Log(error.into()),
            ProposeError::Stopping => Self::Ended,
            // Our own envelope is authentic and small; if not, trying again changes nothing.
            ProposeError::Act(_) | ProposeError::Entry(_) | ProposeError::LogKeyNotConfigured => Self::Ended,
        }
    }
}

impl Failure {
    /// The reason code, a node's own if a node gave one.
    pub(super) fn code(&self) -> String {
        match self {
            Self::Ended => "ENDED".to_owned(),
            Self::NotAuthorized { code, .. } => code.as_str().to_owned(),
            Self::Busy => "QUEUE_FULL".to_owned(),
            Self::TooFewNodes { .. } => "NODES_UNAVAILABLE".to_owned(),
            Self::Node { error, .. } => error.code(),
            Self::Protocol { .. } => "NODE_ANSWER_MALFORMED".to_owned(),
            Self::RoundsDiffer => "ROUNDS_DIFFER".to_owned(),
            Self::Signature => "WALLET_SIGNATURE_INVALID".to_owned(),
            Self::Insufficient(Insufficient::Witnesses { .. }) => "WITNESSES_UNAVAILABLE".to_owned(),
            Self::Insufficient(_) => "COSIGNATURES_MISSING".to_owned(),
            Self::Log(_) | Self::Read(_) => "STORE_FAILED".to_owned(),
            Self::Speak(_) => "INTERNAL".to_owned(),
        }
    }

    /// One of a few words, for counting.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::NotAuthorized { .. } => "not_authorized",
            Self::Busy => "busy",
            Self::TooFewNodes { .. } => "too_few_nodes",
            Self::Node { error, .. } if error.is_silence() => "node_silent",
            Self::Node { .. } => "node_refused",
            Self::Protocol { .. } => "protocol",
            Self::RoundsDiffer => "rounds_differ",
            Self::Signature => "invalid_signature",
            Self::Insufficient(_) => "too_few_cosignatures",
            Self::Log(_) | Self::Read(_) | Self::Speak(_) => "internal",
        }
    }

    /// Who may have spoilt the attempt, if it came to one: others are asked first the next time.
    pub(super) fn spoilt(&self) -> Option<Spoilt> {
        match self {
            Self::Node { node, error } => Some(match (error.culprit(), error.code().as_str()) {
                (Some(culprit), _) => Spoilt::Between(node.clone(), culprit),
                // It may have been any of the signers: the node that noticed says no more.
                (None, code) if UNATTRIBUTED.contains(&code) => Spoilt::BySomebody,
                (None, _) => Spoilt::By(node.clone()),
            }),
            Self::Protocol { node, .. } => Some(Spoilt::By(node.clone())),
            Self::RoundsDiffer | Self::Signature => Some(Spoilt::BySomebody),
            Self::Ended
            | Self::NotAuthorized { .. }
            | Self::Busy
            | Self::TooFewNodes { .. }
            | Self::Insufficient(_)
            | Self::Log(_)
            | Self::Read(_)
            | Self::Speak(_) => None,
        }
    }

    /// Whether other withdrawals should know what spoilt the attempt, which took so long. A node that says at once that it does not
    /// take part, for whatever reason, costs them nothing; nor does one that is down, which its health tells.
    pub(super) fn is_worth_remembering(&self, took: Duration) -> bool {
        match self {
            Self::Node { error, .. } if error.is_silence() => took >= COSTLY,
            Self::Node { error, .. } => {
                error.culprit().is_some()
                    || UNATTRIBUTED.contains(&error.code().as_str())
                    || error.code() == "NODE_ANSWER_MALFORMED"
            }
            Self::Protocol { .. } | Self::RoundsDiffer | Self::Signature => true,
            Self::Ended
            | Self::NotAuthorized { .. }
            | Self::Busy
            | Self::TooFewNodes { .. }
            | Self::Insufficient(_)
            | Self::Log(_)
            | Self::Read(_)
            | Self::Speak(_) => false,
        }
    }

    /// Whether the next attempt needs a younger authorization.
    pub(super) fn wants_renewal(&self) -> bool {
        matches!(self, Self::Node { error, .. } if error.code() == "AUTHORIZATION_TOO_OLD")
    }

    /// Whether a renewal that was wanted before is still wanted.
    pub(super) fn keeps_renewal(&self) -> bool {
        matches!(
            self,
            Self::NotAuthorized { .. } | Self::Busy | Self::TooFewNodes { .. } | Self::Insufficient(_)
        )
    }

    /// What to do about it.
    pub(super) fn next(&self, lessons: &Lessons) -> Next {
        let waiting = |sentence: String| Waiting { code: self.code(), sentence, missing_nodes: Vec::new() };
        let quickly = |waiting| Next::Again { waiting, pause: jittered(pause_after(lessons.failures)) };
        match self {
            Self::Ended | Self::Log(_) => Next::End,
            // A renewal that the policy refuses now may be given later; whether anything is left to sign shows then.
            Self::NotAuthorized { code: RejectionCode::WithdrawalNotAuthorizable, detail } => {
                Next::Again { waiting: Some(waiting(detail.clone())), pause: jittered(SLOW) }
            }
            Self::NotAuthorized { detail, .. } => Next::Park(waiting(detail.clone())),
            Self::Speak(_) => Next::Park(waiting("the coordinator cannot make the entry".to_owned())),
            Self::Insufficient(error) => quickly(Some(waiting(error.to_string()))),
            Self::TooFewNodes { missing } => quickly(Some(nodes_missing(missing.clone()))),
            Self::Node { node, error } => match Refusal::of(&error.code()) {
                Refusal::Order(sentence) => Next::Again {
                    waiting: Some(waiting(format!("node `{node}` does not sign: {sentence}"))),
                    pause: jittered(SLOW),
                },
                Refusal::Over => Next::End,
                Refusal::Passing => quickly(None),
            },
            Self::Busy | Self::Protocol { .. } | Self::RoundsDiffer | Self::Signature | Self::Read(_) => {
                quickly(None)
            }
        }
    }
}

/// What a withdrawal waits for while too few nodes answer.
pub(super) fn nodes_missing(missing_nodes: Vec<NodeId>) -> Waiting {
    let sentence = "waits until enough nodes can take part".to_owned();
    Waiting { code: "NODES_UNAVAILABLE".to_owned(), sentence, missing_nodes }
}

/// What a node's reason code says about further attempts.
enum Refusal {
    /// An officer or the policy forbids it now; it may be lifted.
    Order(&'static str),
    /// It cannot be signed any more.
    Over,
    /// Another attempt may succeed.
    Passing,
}

/// Whether a node's reason code says that an officer or the policy forbids it.
pub(super) fn forbids(code: &str) -> bool {
    matches!(Refusal::of(code), Refusal::Order(_))
}

impl Refusal {
    fn of(code: &str) -> Self {
        match code {
            "LATCHED" => Self::Order("an officer stopped it there directly"),
            "WALLET_PAUSED" => Self::Order("the wallet is paused"),
            "POLICY_REFUSES" => Self::Order("its own evaluation, now, does not allow it"),
            "INTENT_EXPIRED" => Self::Over,
            // The codes of nodes are open: what is not known is tried again, bounded by the intent's expiry.
            _ => Self::Passing,
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.min(10))).min(LAST_PAUSE)
}
