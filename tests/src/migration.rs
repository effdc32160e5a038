//! Wallets whose key moves to new shares, with the real command, and what nodes keep of the old ones.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::eventually;

/// How long nodes may take to erase old shares after the activation, and longer.
const ERASURE: Duration = Duration::from_secs(90);

impl Cluster {
    /// Proposes new shares with these options (`--to dkls23`), as `alice`, and approves them as two officers; returns the
    /// ceremony's id while the nodes make them.
    pub fn start_migration(&self, wallet: &str, options: &str) -> String {
        let terminal = self.terminal();
        let proposed = terminal.ok(&format!("wallet migrate {wallet} {options} --officer alice --yes"));
        let ceremony = proposed["id"].as_str().unwrap().to_owned();
        terminal.approve(&ceremony, &["alice", "bob"]);
        ceremony
    }

    /// Waits until the only backup of a wallet's share that a node has is of this epoch.
    pub async fn keeps_only(&self, node: &str, wallet: &str, epoch: u64) {
        let (backups, of_wallet) = (self.path(node).join("data/backups"), format!("{wallet}-"));
        let of_epoch = format!("{wallet}-{epoch}-");
        eventually(&format!("{node} keeps epoch {epoch} only"), ERASURE, || async {
            let files = std::fs::read_dir(&backups).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let names: Vec<String> = names.filter(|name| name.starts_with(&of_wallet)).collect();
            if names.len() == 1 && names[0].starts_with(&of_epoch) { Ok(()) } else { Err(names) }
        })
        .await;
    }

    /// Waits until `wallet show` says of every epoch before this one that all nodes have erased their shares.
    pub async fn all_say_erased(&self, wallet: &str, epoch: u64) {
        let terminal = self.terminal();
        eventually(
            &format!("all nodes say that shares before epoch {epoch} are erased"),
            ERASURE,
            || async {
                let shown = terminal.ok(&format!("wallet show {wallet}"));
                let old = shown["old_shares"].as_array().unwrap();
                let done = old.iter().all(|old| old["missing"].as_array().unwrap().is_empty());
                if shown["epoch"] == epoch && done { Ok(()) } else { Err(shown["old_shares"].to_string()) }
            },
        )
        .await;
    }
}
