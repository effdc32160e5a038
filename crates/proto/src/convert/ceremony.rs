//! Ceremonies towards the wire.

use holdfast_ledger::{Ceremony, CeremonyApproval, CeremonyKind, CeremonyPhase};
use holdfast_policy::{NodeId, TimestampMs};

use super::{EntryTimes, FieldError, reason};
use crate::v1;

/// How a running ceremony stands: known to the coordinator only, not to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CeremonyLive {
    /// Rounds that all nodes have finished.
    pub round: u32,
    /// Rounds that there are.
    pub of: u32,
    /// Nodes that keep it from going on, sorted.
    pub blocked_by: Vec<NodeId>,
}

/// A ceremony and what else its wire form needs.
#[derive(Clone, Copy, Debug)]
pub struct CeremonyView<'a> {
    /// The ceremony.
    pub ceremony: &'a Ceremony,
    /// The time at which its phase is told.
    pub at: TimestampMs,
    /// Times of log entries.
    pub times: EntryTimes<'a>,
    /// How it stands, while the coordinator runs it.
    pub live: Option<&'a CeremonyLive>,
}

impl CeremonyView<'_> {
    /// Everything.
    pub fn full(&self) -> v1::Ceremony {
        v1::Ceremony { description: self.ceremony.statement.clone(), ..self.summary() }
    }

    /// What `List` returns: without the description.
    pub fn summary(&self) -> v1::Ceremony {
        let ceremony = self.ceremony;
        let logged = ceremony.phase_at(self.at);
        let phase = wire_phase(logged, self.live);
        let why = match logged {
            CeremonyPhase::Superseded => {
                reason("SUPERSEDED", "the roster or the policy that it was made for is no longer in force")
            }
            CeremonyPhase::Proposed
            | CeremonyPhase::Approved
            | CeremonyPhase::Confirmed
            | CeremonyPhase::Activated
            | CeremonyPhase::Expired
            | CeremonyPhase::Failed => phase_reason(phase),
        };
        let live = self.live.filter(|_| phase == v1::CeremonyPhase::Running);
        v1::Ceremony {
            id: ceremony.id.to_string(),
            kind: ceremony.kind.name().to_owned(),
            phase: phase.into(),
            reason: Some(why),
            proposer: ceremony.proposer.to_string(),
            approvals: ceremony.approvals.iter().map(approval).collect(),
            quorum: ceremony.quorum.iter().map(|(role, count)| (role.to_string(), *count)).collect(),
            expires_at_ms: ceremony.expires_at.0,
            blocked_by: live
                .map(|live| live.blocked_by.iter().map(NodeId::to_string).collect())
                .unwrap_or_default(),
            progress: live.map(|live| v1::CeremonyProgress { round: live.round, of: live.of }),
            position: Some(self.times.position(ceremony.index)),
            result_ids: results(ceremony),
            ..v1::Ceremony::default()
        }
    }
}

fn approval(approval: &CeremonyApproval) -> v1::CeremonyApproval {
    v1::CeremonyApproval {
        officer: approval.officer.to_string(),
        roles: approval.roles.iter().map(ToString::to_string).collect(),
        time_ms: approval.time.0,
    }
}

fn results(ceremony: &Ceremony) -> Vec<String> {
    if ceremony.phase_at(TimestampMs(0)) != CeremonyPhase::Activated {
        return Vec::new();
    }
    match &ceremony.kind {
        CeremonyKind::CreateWallet(proposal) => vec![proposal.wallet.to_string()],
        CeremonyKind::MigrateWallet(proposal) => vec![proposal.wallet.to_string()],
        CeremonyKind::ImportWallet(proposal) => vec![proposal.wallet.wallet.to_string()],
        CeremonyKind::AddWhitelistEntry(_) => {
            ceremony.whitelist_entry.iter().map(ToString::to_string).collect()
        }
        CeremonyKind::UpdateScreeningList(proposal) => vec![proposal.list.to_string()],
        CeremonyKind::LiftScreeningAdditions { list, .. } => vec![list.to_string()],
        CeremonyKind::ResumeWallet { .. } | CeremonyKind::ChangeRoster(_) | CeremonyKind::ChangePolicy(_) => {
            Vec::new()
        }
    }
}

fn wire_phase(phase: CeremonyPhase, live: Option<&CeremonyLive>) -> v1::CeremonyPhase {
    match phase {
        CeremonyPhase::Proposed => v1::CeremonyPhase::Proposed,
        CeremonyPhase::Approved if live.is_some() => v1::CeremonyPhase::Running,
        CeremonyPhase::Approved => v1::CeremonyPhase::Approved,
        CeremonyPhase::Confirmed => v1::CeremonyPhase::Confirmed,
        CeremonyPhase::Activated => v1::CeremonyPhase::Activated,
        CeremonyPhase::Expired => v1::CeremonyPhase::Expired,
        CeremonyPhase::Failed | CeremonyPhase::Superseded => v1::CeremonyPhase::Failed,
    }
}

fn phase_reason(phase: v1::CeremonyPhase) -> v1::Reason {
    match phase {
        v1::CeremonyPhase::Unspecified => reason("UNKNOWN", "unknown"),
        v1::CeremonyPhase::Proposed => reason("APPROVALS_MISSING", "waits for approvals"),
        v1::CeremonyPhase::Approved => reason("APPROVED", "has its quorum, the nodes are about to begin"),
        v1::CeremonyPhase::Running => reason("GENERATING_KEY", "the nodes make the shares of the key"),
        v1::CeremonyPhase::Confirmed => {
            reason("KEY_CONFIRMED", "all nodes confirmed the key, about to be activated")
        }
        v1::CeremonyPhase::Activated => reason("IN_FORCE", "in force"),
        v1::CeremonyPhase::Expired => reason("NOT_APPROVED_IN_TIME", "not approved before it expired"),
        v1::CeremonyPhase::Failed => {
            reason("CONFIRMATION_MISMATCH", "the nodes disagree about the key or its shares")
        }
    }
}

/// The phase that a filter names; `None` for "any". Approved and running are told apart by the coordinator only.
///
/// # Errors
/// [`FieldError`] for a number that no phase has.
pub fn ceremony_phase(field: &'static str, wire: i32) -> Result<Option<v1::CeremonyPhase>, FieldError> {
    let phase = v1::CeremonyPhase::try_from(wire).map_err(|_| FieldError::new(field, "is no phase"))?;
    Ok((phase != v1::CeremonyPhase::Unspecified).then_some(phase))
}
