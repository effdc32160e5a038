//! What an honest cell does, flow by flow, so that a test can interrupt each one anywhere.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use crate::WALLET;
use crate::cluster::Cluster;
use crate::request::STRANGER;
use crate::steadfast::Steadfast;

/// How long a withdrawal takes that one node is asked to swear off, and longer.
const ALONE: Duration = Duration::from_secs(4);

/// One of the things that a cell does. Each goes on until it is done, whoever dies meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// A payment, from the request to the signature.
    Withdrawal,
    /// An address on the whitelist, proposed and approved.
    Whitelist,
    /// A wallet paused at every node, and resumed by a quorum.
    Pause,
    /// A key generated.
    Keygen,
    /// A payment that cannot be signed because two nodes are away, given up while they come back.
    GiveUp,
}

impl Flow {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Withdrawal, Self::Whitelist, Self::Pause, Self::Keygen, Self::GiveUp];

    /// Runs it to its end.
    pub async fn run(self, cluster: &Cluster, parties: &Steadfast<'_>) {
        match self {
            Self::Withdrawal => drop(parties.signed(&parties.submit().await).await),
            Self::Whitelist => drop(parties.whitelist(STRANGER).await),
            Self::Pause => parties.pause_and_resume(WALLET).await,
            Self::Keygen => parties.wallet(&format!("hot-{}", 100 + cluster.fresh_number())).await,
            Self::GiveUp => give_up(cluster, parties).await,
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Only node-1 is there to sign or to swear; whatever it promised, the others find it kept when they come back.
///
/// A coordinator that is restarted meanwhile takes nothing before enough nodes have told it the time, so they come back then.
async fn give_up(cluster: &Cluster, parties: &Steadfast<'_>) {
    const AWAY: [&str; 2] = ["node-2", "node-3"];
    AWAY.iter().for_each(|node| cluster.kill_9(node));
    let mut asked = pin!(async {
        let id = parties.submit().await;
        parties.authorized(&id).await;
        parties.ask_to_give_up(&id).await;
        id
    });
    let alone = tokio::time::timeout(ALONE, &mut asked).await;
    for node in AWAY {
        cluster.bring_up(node).await;
    }
    let id = match alone {
        Ok(id) => id,
        Err(_) => asked.await,
    };
    parties.over(&id).await;
}
