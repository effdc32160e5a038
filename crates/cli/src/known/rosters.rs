//! Every roster that this machine has seen proven, the genesis roster first: who must have signed what, also without a log.

use std::path::PathBuf;

use holdfast_ledger::{Genesis, Roster, State};

use crate::failure::{Exit, Failure};
use crate::files;
use crate::profile::Profile;

const FILE: &str = "known-rosters.json";

/// The rosters known here.
#[derive(Clone, Debug)]
pub(crate) struct Rosters(Vec<Roster>);

impl Rosters {
    /// From the pinned genesis on, as far as a verified log was replayed here.
    // INVARIANT (G2): a server never says who may speak; a verified log does.
    pub(crate) fn load(profile: &Profile, genesis: &Genesis) -> Result<Self, Failure> {
        let path = path(profile);
        if !path.exists() {
            return Ok(Self(vec![genesis.roster.clone()]));
        }
        let refuse = |problem: String| {
            Failure::new(Exit::Usage, "KNOWN_ROSTERS_INVALID", format!("`{}`: {problem}", path.display()))
                .next("remove the file; `holdfast roster show` makes it again")
        };
        let rosters: Vec<Roster> =
            serde_json::from_slice(&files::read(&path)?).map_err(|error| refuse(error.to_string()))?;
        let chained = rosters.first() == Some(&genesis.roster)
            && rosters.windows(2).all(|pair| match pair {
                [one, next] => next.follows(one),
                _ => false,
            });
        if chained {
            Ok(Self(rosters))
        } else {
            Err(refuse("it does not begin with the genesis roster".to_owned()))
        }
    }

    /// The newest.
    pub(crate) fn newest<'a>(&'a self, genesis: &'a Genesis) -> &'a Roster {
        self.0.last().unwrap_or(&genesis.roster)
    }

    /// The newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Roster> {
        self.0.iter().rev()
    }

    /// The one in force at this tree size.
    pub(crate) fn at(&self, size: u64) -> Option<&Roster> {
        self.newest_first().find(|roster| roster.in_force_from() <= size)
    }
}

/// Remembers the rosters of a verified state. One that contradicts what is known is no update; an older log forgets nothing.
pub(super) fn remember(profile: &Profile, state: &State) -> Result<(), Failure> {
    let known = Rosters::load(profile, state.genesis())?.0;
    let found: Vec<Roster> = state.rosters().cloned().collect();
    if known.iter().zip(&found).any(|(known, found)| known != found) {
        let message = "this log has another roster than one that this machine has seen proven before";
        return Err(Failure::verification("ROSTER_CONTRADICTED", message)
            .next(format!("ask an officer; if this log is right, remove `{}`", path(profile).display())));
    }
    if found.len() <= known.len() {
        return Ok(());
    }
    files::write(&path(profile), &serde_json::to_vec_pretty(&found).unwrap_or_default())
}

fn path(profile: &Profile) -> PathBuf {
    profile.directory.join(FILE)
}

#[cfg(test)]
mod tests {
    use holdfast_ledger::{RosterChange, RosterProposal, StatementBody};

    use super::*;
    use crate::testing::TestCell;

    fn remove_carol(cell: &TestCell) -> StatementBody {
        let roster = cell.state().roster();
        let change = RosterChange::RemoveOfficer { name: "carol".parse().unwrap() };
        StatementBody::ProposeRosterChange(Box::new(RosterProposal {
            version: roster.version(),
            digest: roster.digest(),
            change,
        }))
    }

    #[test]
    fn rosters_are_learnt_from_a_replayed_log_and_an_older_log_forgets_nothing() {
        let mut cell = TestCell::new();
        let older = cell.state().clone();
        let genesis = cell.session.genesis.clone();
        let profile = cell.session.profile.clone();
        assert_eq!(Rosters::load(&profile, &genesis).unwrap().0.len(), 1);
        let body = remove_carol(&cell);
        cell.approved(body);
        remember(&profile, cell.state()).unwrap();
        remember(&profile, &older).unwrap();
        let known = Rosters::load(&profile, &genesis).unwrap();
        assert_eq!(known.newest(&genesis), cell.state().roster());
        assert_eq!(known.at(1), Some(&genesis.roster));
    }

    #[test]
    fn edited_file_and_another_history_are_refused() {
        let mut cell = TestCell::new();
        let profile = cell.session.profile.clone();
        let body = remove_carol(&cell);
        cell.approved(body);
        remember(&profile, cell.state()).unwrap();
        let other = TestCell::new();
        let refused = remember(&profile, other.state()).unwrap_err();
        assert_eq!(refused.reason(), "KNOWN_ROSTERS_INVALID", "another genesis");
        let text = std::fs::read_to_string(path(&profile)).unwrap();
        std::fs::write(path(&profile), text.replacen("security-officer", "withdrawal-approver", 1)).unwrap();
        let refused = Rosters::load(&profile, &cell.session.genesis).unwrap_err();
        assert_eq!(refused.reason(), "KNOWN_ROSTERS_INVALID");
    }
}
