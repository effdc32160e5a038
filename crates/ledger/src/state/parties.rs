//! What a cell knows that a policy document only names: for tools that look for names which do not exist.

use std::collections::BTreeSet;

use holdfast_policy::{KnownParties, ListId};

use super::State;
use crate::genesis::Genesis;
use crate::roster::Roster;

impl Genesis {
    /// Who and what a cell begins with; it has no wallets yet.
    pub fn known_parties(&self) -> KnownParties {
        let lists = self.screening.iter().map(|list| list.id().clone()).collect();
        self.roster.known_parties(self, lists)
    }
}

impl State {
    /// Who and what the cell has now.
    pub fn known_parties(&self) -> KnownParties {
        let lists = self.screening_lists().map(|(list, _)| list.id().clone()).collect();
        let wallets = self.wallets().map(|wallet| wallet.id.clone()).collect();
        KnownParties { wallets: Some(wallets), ..self.roster().known_parties(self.genesis(), lists) }
    }
}

impl Roster {
    fn known_parties(&self, genesis: &Genesis, lists: BTreeSet<ListId>) -> KnownParties {
        let officers = self.officers().iter();
        KnownParties {
            officers: officers.map(|(id, officer)| (id.clone(), officer.roles.clone())).collect(),
            clients: self.clients().keys().cloned().collect(),
            providers: self.providers().keys().cloned().collect(),
            assets: genesis.document.assets.clone(),
            lists,
            wallets: None,
        }
    }
}
