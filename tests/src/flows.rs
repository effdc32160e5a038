//! What an honest cell does, flow by flow, so that a test can interrupt each one anywhere.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use crate::WALLET;
use crate::cluster::{Cluster, Options};
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
    /// A key that moves to new shares, until the old ones are erased everywhere.
    Migration,
    /// A payment that waits for its customer and for two officers.
    Held,
    /// An address that one officer puts on a screening list, at every node.
    Listed,
    /// A payment that cannot be signed because two nodes are away, given up while they come back.
    GiveUp,
}

impl Flow {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Withdrawal,
        Self::Whitelist,
        Self::Pause,
        Self::Keygen,
        Self::Migration,
        Self::Held,
        Self::Listed,
        Self::GiveUp,
    ];

    /// Whether two nodes make a signature in it.
    pub fn signs(self) -> bool {
        matches!(self, Self::Withdrawal | Self::Held)
    }

    /// Runs it to its end, in a cluster of [`Cluster::ready_to_step_up`].
    pub async fn run(self, cluster: &Cluster, parties: &Steadfast<'_>) {
        match self {
            Self::Withdrawal => drop(parties.signed(&parties.submit().await).await),
            Self::Whitelist => drop(parties.whitelist(STRANGER).await),
            Self::Pause => parties.pause_and_resume(WALLET).await,
            Self::Keygen => parties.wallet(&format!("hot-{}", 100 + cluster.fresh_number())).await,
            Self::Migration => parties.migrate(WALLET).await,
            Self::Held => parties.held_and_signed().await,
            Self::Listed => parties.listed_now().await,
            Self::GiveUp => give_up(cluster, parties).await,
        }
    }
}

impl Cluster {
    /// A running cluster, ready to pay, in which what is above 5,000 USDT waits for its customer and for two officers.
    pub async fn ready_to_step_up(options: Options) -> Self {
        let mut cluster = Self::make(options);
        cluster.amend_genesis(|document| {
            let identity = "[identity]\nproviders = [\"sessions\"]\nmethods = [\"passkey\"]\nmin_score = 80\n\
                            max_age_ms = 600000\n\n[risk]";
            let policy = document["policy"].as_str().unwrap();
            let policy = policy.replacen("[risk]", identity, 1).replacen(
                "asset = \"USDT\"\n",
                "asset = \"USDT\"\nstep_up_above = \"5000000000\"\n",
                1,
            );
            document["policy"] = policy.into();
        });
        cluster.start_all().await;
        cluster.make_ready().await;
        cluster
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
