//! The profile file, `holdfast.toml`: which cluster, where its servers are, what is pinned, and which keys to use.
//!
//! It holds no secret itself, only names of files. Relative paths are relative to the profile's directory.
//!
//! ```toml
//! cluster = "demo-1a2b3c4d"
//! ca = "ca.pem"
//!
//! [genesis]                    # pinned: nothing a server says can replace it
//! entry = "genesis.entry.json"
//! sha256 = "..."               # SHA-256 of the genesis document, 64 hexadecimal digits
//!
//! [coordinator]
//! name = "coordinator"
//! address = "127.0.0.1:7100"
//!
//! [[nodes]]
//! name = "node-1"
//! address = "127.0.0.1:7101"
//!
//! [defaults]                   # who acts if the command does not say
//! officer = "alice"
//! client = "pipeline"
//! provider = "sessions"
//! reader = "auditor/auditor"   # who downloads the log: officer/NAME or auditor/NAME
//! operator = "operator"
//!
//! [officers.alice]             # likewise [clients.NAME], [providers.NAME]; [auditors.NAME] and [operators.NAME] have no key
//! certificate = "officers/alice.tls.pem"
//! tls_key = "officers/alice.tls.key"
//! key = "officers/alice"       # OpenSSH for officers, PKCS#8 PEM (Ed25519) for clients and providers
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use holdfast_transport::Role;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::files;

/// The file's members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileFile {
    pub(crate) cluster: String,
    pub(crate) ca: PathBuf,
    pub(crate) genesis: PinnedGenesis,
    pub(crate) coordinator: Server,
    pub(crate) nodes: Vec<Server>,
    #[serde(default)]
    pub(crate) defaults: Defaults,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) officers: BTreeMap<String, Person>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) clients: BTreeMap<String, Person>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) providers: BTreeMap<String, Person>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) auditors: BTreeMap<String, Person>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) operators: BTreeMap<String, Person>,
}

/// The genesis that this installation trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinnedGenesis {
    pub(crate) entry: PathBuf,
    pub(crate) sha256: String,
}

/// A server: its name in its certificate, and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// Who acts if the command does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) officer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reader: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operator: Option<String>,
}

/// The files of one party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) certificate: PathBuf,
    pub(crate) tls_key: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
}

/// A profile that was read and checked.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) directory: PathBuf,
    pub(crate) file: ProfileFile,
    pub(crate) genesis_sha256: [u8; 32],
}

/// Whose TLS identity a command uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) role: Role,
    pub(crate) name: String,
}

impl Who {
    pub(crate) fn new(role: Role, name: &str) -> Self {
        Self { role, name: name.to_owned() }
    }

    /// Reads `officer/alice`.
    fn parse(text: &str) -> Option<Self> {
        let (role, name) = text.split_once('/')?;
        Some(Self::new(role.parse().ok()?, name))
    }
}

impl Profile {
    /// Reads and checks the file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = files::read_text(path).map_err(|failure| {
            failure.next("pass `--profile FILE`, set HOLDFAST_PROFILE, or make a cluster with `holdfast init --demo DIR`")
        })?;
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&text, directory)
            .map_err(|failure| failure.during(&format!("profile `{}`", path.display())))
    }

    fn parse(text: &str, directory: PathBuf) -> Result<Self, Failure> {
        let refuse = |message: String| {
            Failure::new(Exit::Usage, "PROFILE_INVALID", message)
                .next("correct the profile and run the command again")
        };
        let file: ProfileFile = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        let mut genesis_sha256 = [0; 32];
        hex::decode_to_slice(&file.genesis.sha256, &mut genesis_sha256)
            .map_err(|_| refuse("`genesis.sha256` must be 64 hexadecimal digits".to_owned()))?;
        if file.nodes.is_empty() {
            return Err(refuse("`nodes` must name at least one node".to_owned()));
        }
        Ok(Self { directory, file, genesis_sha256 })
    }

    /// A path in the profile, from here.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        files::beside(&self.directory, path)
    }

    /// The files of a party.
    pub(crate) fn person(&self, who: &Who) -> Result<&Person, Failure> {
        let (section, people) = match who.role {
            Role::Officer => ("officers", &self.file.officers),
            Role::Client => ("clients", &self.file.clients),
            Role::Provider => ("providers", &self.file.providers),
            Role::Auditor => ("auditors", &self.file.auditors),
            Role::Operator => ("operators", &self.file.operators),
            Role::Coordinator | Role::Node => {
                return Err(Failure::usage(format!("`{}` is the role of a server", who.role)));
            }
        };
        people.get(&who.name).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "PROFILE_INVALID",
                format!("the profile has no {} `{}`", who.role, who.name),
            )
            .next(format!("add a section `[{section}.{}]` with certificate and keys", who.name))
        })
    }

    /// The key file of a party that signs.
    pub(crate) fn signing_key(&self, who: &Who) -> Result<PathBuf, Failure> {
        let key = self.person(who)?.key.as_ref().ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "PROFILE_INVALID",
                format!("the profile has no key for {} `{}`", who.role, who.name),
            )
            .next("add `key = \"FILE\"` to that section")
        })?;
        Ok(self.path(key))
    }

    /// The party named by the command, or the profile's default.
    pub(crate) fn choose(&self, role: Role, named: Option<&str>) -> Result<Who, Failure> {
        let default = match role {
            Role::Officer => &self.file.defaults.officer,
            Role::Client => &self.file.defaults.client,
            Role::Provider => &self.file.defaults.provider,
            Role::Operator => &self.file.defaults.operator,
            Role::Auditor | Role::Coordinator | Role::Node => &None,
        };
        named.or(default.as_deref()).map(|name| Who::new(role, name)).ok_or_else(|| {
            Failure::usage(format!("no {role} is named")).next(format!("pass `--{role} NAME`"))
        })
    }

    /// Who downloads the log.
    pub(crate) fn reader(&self) -> Result<Who, Failure> {
        let named = self.file.defaults.reader.as_deref().and_then(Who::parse);
        let first =
            |role, people: &BTreeMap<String, Person>| people.keys().next().map(|name| Who::new(role, name));
        named
            .or_else(|| first(Role::Auditor, &self.file.auditors))
            .or_else(|| first(Role::Officer, &self.file.officers))
            .ok_or_else(|| {
                Failure::usage("the profile has nobody who may read the log")
                    .next("add an `[auditors.NAME]` or `[officers.NAME]` section")
            })
    }

    /// A node named as `node-1`, as `node-1=host:port`, or by an address in the profile.
    pub(crate) fn node(&self, text: &str) -> Result<Server, Failure> {
        if let Some((name, address)) = text.split_once('=') {
            return Ok(Server { name: name.to_owned(), address: address.to_owned() });
        }
        let known = self.file.nodes.iter().find(|node| node.name == text || node.address == text);
        known.cloned().ok_or_else(|| {
            Failure::usage(format!("the profile has no node `{text}`"))
                .next("pass its name, or `NAME=HOST:PORT`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        cluster = "demo"
        ca = "ca.pem"
        nodes = [{ name = "node-1", address = "127.0.0.1:1" }]
        [genesis]
        entry = "genesis.entry.json"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
        [coordinator]
        name = "coordinator"
        address = "127.0.0.1:2"
        [defaults]
        client = "pipeline"
        [clients.pipeline]
        certificate = "client/tls.pem"
        tls_key = "client/tls.key"
        key = "client/pipeline.key"
        [auditors.auditor]
        certificate = "auditor/tls.pem"
        tls_key = "auditor/tls.key"
    "#;

    fn parse(text: &str) -> Result<Profile, Failure> {
        Profile::parse(text, PathBuf::from("/somewhere"))
    }

    #[test]
    fn paths_are_relative_to_the_profile() {
        let profile = parse(GOOD).unwrap();
        let client = profile.choose(Role::Client, None).unwrap();
        assert_eq!(profile.signing_key(&client).unwrap(), PathBuf::from("/somewhere/client/pipeline.key"));
        assert_eq!(profile.reader().unwrap(), Who::new(Role::Auditor, "auditor"));
        assert_eq!(profile.node("127.0.0.1:1").unwrap().name, "node-1");
        assert_eq!(profile.node("node-9=[::1]:5").unwrap().address, "[::1]:5");
    }

    #[test]
    fn errors_of_the_profile_say_what_is_wrong_and_what_to_do() {
        for (from, to, part) in [
            ("cluster = \"demo\"", "", "cluster"),
            ("ca = \"ca.pem\"", "ca = \"ca.pem\"\nsurprise = 1", "surprise"),
            ("0000000000000000000000000000000000000000000000000000000000000001", "01", "genesis.sha256"),
            ("[{ name = \"node-1\", address = \"127.0.0.1:1\" }]", "[]", "nodes"),
        ] {
            let failure = parse(&GOOD.replace(from, to)).unwrap_err();
            assert_eq!((failure.reason(), failure.exit()), ("PROFILE_INVALID", Exit::Usage));
            let shown = failure.to_string();
            assert!(shown.contains(part) && shown.contains("next: "), "{shown}");
        }
    }

    #[test]
    fn absent_people_and_nodes_are_named() {
        let profile = parse(GOOD).unwrap();
        let nobody = profile.person(&Who::new(Role::Officer, "mallory")).unwrap_err().to_string();
        assert!(nobody.contains("officer `mallory`") && nobody.contains("[officers.mallory]"), "{nobody}");
        let keyless = profile.signing_key(&Who::new(Role::Auditor, "auditor")).unwrap_err().to_string();
        assert!(keyless.contains("no key"), "{keyless}");
        assert!(profile.choose(Role::Officer, None).unwrap_err().to_string().contains("--officer NAME"));
        assert!(profile.node("node-7").unwrap_err().to_string().contains("`node-7`"));
    }

    #[test]
    fn missing_profile_says_how_to_get_one() {
        let failure = Profile::load(Path::new("/nonexistent/holdfast.toml")).unwrap_err();
        assert!(failure.to_string().contains("holdfast init --demo DIR"), "{failure}");
    }
}
