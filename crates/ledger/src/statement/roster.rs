//! The lines of a proposal to change the roster.

use std::collections::BTreeSet;

use ed25519_dalek::VerifyingKey;

use super::lines::{Lines, Reader, StatementError};
use super::read::{time, typed, value};
use crate::officer_key::OfficerKey;
use crate::roster::{MinimumCheckpoint, RosterChange, RosterProposal, RosterVersion};

const MAX_ROLES: usize = 16;
const MAX_WALLETS: usize = 32;

impl RosterProposal {
    pub(super) fn write(&self, lines: &mut Lines) {
        lines.push("roster version", &self.version.to_string());
        lines.push("roster", &self.digest.to_string());
        lines.push("change", self.change.name());
        self.change.write(lines);
    }
}

impl RosterChange {
    fn write(&self, lines: &mut Lines) {
        match self {
            RosterChange::AddOfficer { name, roles, key } => {
                lines.push("name", name.as_str());
                roles.iter().for_each(|role| lines.push("role", role.as_str()));
                lines.push("key", &key.to_openssh());
            }
            RosterChange::AddClient { name, key, wallets, expires_at } => {
                lines.push("name", name.as_str());
                lines.push("key", &hex::encode(key.as_bytes()));
                wallets.iter().for_each(|wallet| lines.push("wallet", wallet.as_str()));
                lines.push("valid until", &expires_at.to_string());
            }
            RosterChange::AddAgencyContact { name, agency, key } => {
                lines.push("name", name.as_str());
                lines.push("agency", agency.as_str());
                lines.push("key", &key.to_openssh());
            }
            RosterChange::RemoveAgencyContact { name } => lines.push("name", name.as_str()),
            RosterChange::RemoveOfficer { name } => lines.push("name", name.as_str()),
            RosterChange::RemoveClient { name } => lines.push("name", name.as_str()),
            RosterChange::ReplaceNodeKeys { node, cosigning_key, message_key, minimum } => {
                lines.push("name", node.as_str());
                lines.push("cosigning key", &hex::encode(cosigning_key.as_bytes()));
                lines.push("message key", &hex::encode(message_key.as_bytes()));
                lines.push("minimum size", &minimum.size.to_string());
                lines.push("minimum root", &minimum.root.to_hex());
            }
            RosterChange::ReplaceCoordinatorKeys { log_key, entry_key } => {
                let keys = [("log key", log_key), ("entry key", entry_key)];
                for (line, key) in keys.into_iter().filter_map(|(line, key)| Some((line, key.as_ref()?))) {
                    lines.push(line, &hex::encode(key.as_bytes()));
                }
            }
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<RosterProposal, StatementError> {
    let version = RosterVersion(value(reader, "roster version")?);
    let digest = value(reader, "roster")?;
    let change = match reader.take("change")? {
        "add an officer" => RosterChange::AddOfficer {
            name: value(reader, "name")?,
            roles: set("role", reader.take_all("role", MAX_ROLES)?)?,
            key: ssh_key(reader.take("key")?)?,
        },
        "remove an officer" => RosterChange::RemoveOfficer { name: value(reader, "name")? },
        "add a client" => RosterChange::AddClient {
            name: value(reader, "name")?,
            key: key("key", reader.take("key")?)?,
            wallets: set("wallet", reader.take_all("wallet", MAX_WALLETS)?)?,
            expires_at: time("valid until", reader.take("valid until")?)?,
        },
        "remove a client" => RosterChange::RemoveClient { name: value(reader, "name")? },
        "add an agency contact" => RosterChange::AddAgencyContact {
            name: value(reader, "name")?,
            agency: value(reader, "agency")?,
            key: ssh_key(reader.take("key")?)?,
        },
        "remove an agency contact" => RosterChange::RemoveAgencyContact { name: value(reader, "name")? },
        "replace a node's keys" => RosterChange::ReplaceNodeKeys {
            node: value(reader, "name")?,
            cosigning_key: key("cosigning key", reader.take("cosigning key")?)?,
            message_key: key("message key", reader.take("message key")?)?,
            minimum: MinimumCheckpoint {
                size: value(reader, "minimum size")?,
                root: value(reader, "minimum root")?,
            },
        },
        "replace the coordinator's keys" => coordinator(reader)?,
        other => return Err(StatementError::new("change", format!("`{other}` is unknown"))),
    };
    Ok(RosterProposal { version, digest, change })
}

fn coordinator(reader: &mut Reader<'_>) -> Result<RosterChange, StatementError> {
    let log_key = reader.take_if("log key").map(|text| key("log key", text)).transpose()?;
    let entry_key = reader.take_if("entry key").map(|text| key("entry key", text)).transpose()?;
    if log_key.is_none() && entry_key.is_none() {
        return Err(StatementError::new("log key", "name at least one new key"));
    }
    Ok(RosterChange::ReplaceCoordinatorKeys { log_key, entry_key })
}

/// At least one, sorted, each once: the same set has one text.
fn set<T: Ord + std::str::FromStr>(line: &str, texts: Vec<&str>) -> Result<BTreeSet<T>, StatementError>
where
    T::Err: std::fmt::Display,
{
    let items = texts.into_iter().map(|text| typed::<T>(line, text)).collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() || !items.is_sorted_by(|a, b| a < b) {
        return Err(StatementError::new(line, "at least one, sorted, each once"));
    }
    Ok(items.into_iter().collect())
}

fn key(line: &str, text: &str) -> Result<VerifyingKey, StatementError> {
    let refuse = || StatementError::new(line, "must be an Ed25519 public key, 64 lower-case hex digits");
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| refuse())?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| refuse())?;
    if hex::encode(key.as_bytes()) == text { Ok(key) } else { Err(refuse()) }
}

fn ssh_key(text: &str) -> Result<OfficerKey, StatementError> {
    let key = OfficerKey::parse(text).map_err(|error| StatementError::new("key", error.to_string()))?;
    // One spelling, and no comment in which somebody could write what looks like another line's meaning.
    if key.to_openssh() == text {
        Ok(key)
    } else {
        Err(StatementError::new("key", "must be `TYPE BASE64` without a comment"))
    }
}
