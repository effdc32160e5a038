//! What officers read about people, keys and policies before they change them.

use std::collections::BTreeSet;

use ed25519_dalek::VerifyingKey;
use holdfast_policy::{ClientId, PolicyDocument, PolicyHash};

use super::{Details, line};
use crate::fingerprint::fingerprint;
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::{Client, Roster, RosterChange};
use crate::state::State;

/// Most rules that a statement lists; the new policy's hash covers all of them.
const MAX_RULES: usize = 40;

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

    /// Which rules and terms differ from the policy in force.
    pub(super) fn describe_policy(&self, hash: &PolicyHash) -> Result<Details, Rejection> {
        let (old, new) = (self.policy(), &self.uploaded_policy(hash)?.document);
        let mut details = vec![
            line("new policy version", self.policy_version().0.saturating_add(1)),
            line("new policy bytes", new.source().len()),
        ];
        let rules: Vec<_> = rule_changes(old, new).collect();
        details.extend(rules.iter().take(MAX_RULES).map(|(how, rule)| line(how, rule)));
        if let Some(more) = rules.len().checked_sub(MAX_RULES).filter(|more| *more > 0) {
            details.push(line("and more rules", more));
        }
        let terms = [
            ("risk", old.risk() != new.risk()),
            ("hold", old.hold() != new.hold()),
            ("whitelist", old.whitelist() != new.whitelist()),
            ("identity", old.identity() != new.identity()),
            ("prices", old.prices() != new.prices()),
            ("legal", old.legal() != new.legal()),
            ("exposure", old.exposure() != new.exposure()),
            ("authorization", old.authorization_max_age() != new.authorization_max_age()),
        ];
        details.extend(
            terms.iter().filter(|(_, differ)| *differ).map(|(terms, _)| line("terms changed", terms)),
        );
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

/// By rule id: removed, added, changed.
fn rule_changes<'a>(
    old: &'a PolicyDocument,
    new: &'a PolicyDocument,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let ids = |document: &'a PolicyDocument| {
        let grants = document.grants().iter().map(|grant| &grant.id);
        grants
            .chain(document.restrictions().iter().map(|restriction| &restriction.id))
            .collect::<BTreeSet<_>>()
    };
    let (before, after) = (ids(old), ids(new));
    let all: BTreeSet<_> = before.union(&after).copied().collect();
    all.into_iter().filter_map(move |id| match (before.contains(id), after.contains(id)) {
        (true, false) => Some(("rule removed", id.to_string())),
        (false, true) => Some(("rule added", id.to_string())),
        (_, _) => {
            let grant = |document: &'a PolicyDocument| document.grants().iter().find(|grant| grant.id == *id);
            let limit =
                |document: &'a PolicyDocument| document.restrictions().iter().find(|rule| rule.id == *id);
            let differs = grant(old) != grant(new) || limit(old) != limit(new);
            differs.then(|| ("rule changed", id.to_string()))
        }
    })
}
