//! What a node says that it refused, read from its own log output as its operator's collector would.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tonic::{Code, Status};

use crate::cluster::Cluster;
use crate::refusal::{Refusal, refused};

/// One refusal in a node's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Stable reason code.
    pub code: String,
    /// What was asked for.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// The incidents that nodes log from now on, each seen once.
#[derive(Debug)]
pub struct Incidents<'a> {
    cluster: &'a Cluster,
    seen: Mutex<BTreeMap<String, usize>>,
}

impl Cluster {
    /// Watches what the nodes refuse from now on.
    pub fn incidents(&self) -> Incidents<'_> {
        let ends = self.nodes().into_iter().map(|node| (node.clone(), self.log_text(&node).len()));
        Incidents { cluster: self, seen: Mutex::new(ends.collect()) }
    }
}

impl Incidents<'_> {
    /// The refusal of a call, if it is the expected one and the node has logged it as an incident.
    ///
    /// # Panics
    /// When the call succeeded, failed otherwise, or left no incident.
    #[track_caller]
    pub fn caught<T: Debug>(
        &self,
        node: &str,
        result: Result<T, Status>,
        code: Code,
        reason: &str,
    ) -> Refusal {
        let refusal = refused(result, code, reason);
        self.logged(node, reason);
        refusal
    }

    /// The node's next incident of this code.
    ///
    /// # Panics
    /// When there is none: incidents are written before the caller gets its answer.
    #[track_caller]
    pub fn logged(&self, node: &str, code: &str) -> Incident {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.get_mut(node).unwrap();
        let text = self.cluster.log_text(node);
        let mut end = *seen;
        for line in text[*seen..].split_inclusive('\n') {
            end += line.len();
            if let Some(incident) = incident_in(line).filter(|incident| incident.code == code) {
                *seen = end;
                return incident;
            }
        }
        panic!("{node} has logged no incident {code}:\n{}", &text[*seen..]);
    }
}

fn incident_in(line: &str) -> Option<Incident> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").filter(|fields| fields["message"] == "refused")?;
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    Some(Incident { code: text("code"), subject: text("subject"), detail: text("detail") })
}
