//! What officers read about people, keys and policies before they change them.

use ed25519_dalek::VerifyingKey;
use holdfast_policy::{ChangeEffect, ClientId, PolicyHash};

use super::{Details, line};
use crate::fingerprint::fingerprint;
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::{Client, Roster, RosterChange};
use crate::state::State;
use crate::state::policies::policy_quorum;

/// Most changes of a policy that a statement lists, and the bytes they may take; the digest covers all of them.
const MAX_CHANGES: usize = 40;
const MAX_CHANGE_BYTES: usize = 5_000;

impl State {
    /// What a change of the roster does to what is there now. The proposal's own lines name the new.
    pub(super) fn describe_roster_change(&self, change: &RosterChange) -> Result<Details, Rejection> {
        let roster = self.roster();
        let unknown = |party: &str, name: &str| {
            let detail = format!("the roster has no {party} `{name}`");
            Rejection::new(RejectionCode::UnknownParty, detail).with_field("name")
        };
        match change {
            RosterChange::AddOfficer { key, .. } => Ok(vec![line("key fingerprint", key.fingerprint())]),
            RosterChange::RemoveOfficer { name } => {
                let officer = roster.officer(name).ok_or_else(|| unknown("officer", name.as_str()))?;
                let roles: Vec<_> = officer.roles.iter().map(ToString::to_string).collect();
                Ok(vec![line("roles", roles.join(", ")), line("key fingerprint", officer.key.fingerprint())])
            }
            RosterChange::AddAgencyContact { key, .. } => {
                Ok(vec![line("key fingerprint", key.fingerprint())])
            }
            RosterChange::RemoveAgencyContact { name } => {
                let contact = roster.contact(name).ok_or_else(|| unknown("contact", name.as_str()))?;
                Ok(vec![line("agency", &contact.agency), line("key fingerprint", contact.key.fingerprint())])
            }
            RosterChange::AddClient { key, .. } => Ok(vec![words("key in words", key)]),
            RosterChange::RemoveClient { name } => {
                roster.client(name).map(client_lines).ok_or_else(|| unknown("client", name.as_str()))
            }
            RosterChange::ReplaceNodeKeys { node, cosigning_key, message_key, .. } => {
                let known = roster.node(node).ok_or_else(|| unknown("node", node.as_str()))?;
                Ok(vec![
                    words("cosigning key in words", cosigning_key),
                    words("message key in words", message_key),
                    line("incarnation", known.incarnation.saturating_add(1)),
                    line("replaces cosigning key", hex::encode(known.cosigning_key.as_bytes())),
                    line("replaces message key", hex::encode(known.message_key.as_bytes())),
                ])
            }
            RosterChange::ReplaceCoordinatorKeys { log_key, entry_key } => {
                let old = roster.coordinator();
                let log_key = log_key.iter().flat_map(|key| {
                    [
                        words("log key in words", key),
                        line("replaces log key", hex::encode(old.log_key.as_bytes())),
                    ]
                });
                let entry_key = entry_key.iter().flat_map(|key| {
                    let replaced = hex::encode(old.entry_key.as_bytes());
                    [words("entry key in words", key), line("replaces entry key", replaced)]
                });
                Ok(log_key.chain(entry_key).collect())
            }
        }
    }

    /// What differs from the policy in force by meaning, what loosens first, and who must approve that.
    pub(super) fn describe_policy(&self, hash: &PolicyHash) -> Result<Details, Rejection> {
        let new = &self.uploaded_policy(hash)?.document;
        let diff = self.policy_diff(hash)?;
        let mut details = vec![
            line("new policy version", self.policy_version().0.saturating_add(1)),
            line("new policy bytes", new.source().len()),
            line("quorum", policy_quorum(&diff)),
            line("changes that loosen", diff.count(ChangeEffect::Loosens)),
            line("changes that tighten", diff.count(ChangeEffect::Tightens)),
        ];
        let mut left = MAX_CHANGE_BYTES;
        let fitting = diff.changes().iter().map_while(|change| {
            let line = line(&change.effect.to_string(), change);
            left = left.checked_sub(line.0.len().saturating_add(line.1.len()))?;
            Some(line)
        });
        let fitting: Vec<_> = fitting.take(MAX_CHANGES).collect();
        let more = diff.changes().len().saturating_sub(fitting.len());
        details.extend(fitting);
        if more > 0 {
            details.push(line("and more changes", more));
        }
        Ok(details)
    }
}

impl Roster {
    /// What a statement that revokes this client says about it, for tools that cannot read the log.
    pub fn client_lines(&self, client: &ClientId) -> Option<Vec<(String, String)>> {
        self.client(client).map(client_lines)
    }
}

/// A client's key and scope.
pub(super) fn client_lines(client: &Client) -> Details {
    let wallets: Vec<_> = client.wallets.iter().map(ToString::to_string).collect();
    vec![
        line("key", hex::encode(client.key.as_bytes())),
        words("key in words", &client.key),
        line("wallets", wallets.join(", ")),
    ]
}

fn words(key: &str, public_key: &VerifyingKey) -> (String, String) {
    line(key, fingerprint(public_key.as_bytes()))
}
