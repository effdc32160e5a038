//! `holdfast wallet`: create, migrate and import wallets by ceremony, and read them from the replayed log.

use std::fmt;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use holdfast_ledger::{MigrationProposal, NextChainCode, State, StatementBody, Wallet, WalletProposal};
use holdfast_policy::{NodeId, WalletId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ceremony;
use crate::engine::{self, Engine};
use crate::failure::{Exit, Failure};
use crate::known;
use crate::output::Answer;
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::Expiring;

mod import;

pub(crate) use import::outlives;

/// Create wallets, and read them from the log
#[derive(Subcommand, Debug)]
pub(crate) enum WalletCommand {
    /// Propose a wallet: the ceremony that generates its key starts when its quorum has approved
    Create(Box<CreateArgs>),
    /// Propose new shares of a wallet's key, of another engine or of the same: key and address stay, the old shares are erased
    Migrate(Box<MigrateArgs>),
    /// Propose to take over a key that another deployment holds, from the files of its GG20 shares: its address becomes a wallet's
    Import(Box<import::ImportArgs>),
    /// Show one wallet: address, public key, nodes, engine, which nodes have erased old shares, pauses
    Show {
        /// Id of the wallet
        id: WalletId,
    },
    /// List all wallets, their engines and pauses
    List,
    /// Derive a deposit address on this machine, from what a replayed log said of the wallet; no server's word counts
    DepositAddress {
        /// Id of the wallet
        id: WalletId,
        /// Index of the address: one for each customer, for example
        #[arg(value_parser = clap::value_parser!(u32).range(..=0x7fff_ffff))]
        index: u32,
    },
}

/// A proposal.
#[derive(Args, Clone, Debug)]
pub(crate) struct CreateArgs {
    /// Id of the wallet, for example `hot-1`
    pub(crate) id: WalletId,
    /// Threshold engine: `dkls23`, or `gg20`, which nobody maintains
    #[arg(long, default_value_t = Engine::default(), value_name = "NAME")]
    pub(crate) engine: Engine,
    #[command(flatten)]
    pub(crate) signing: Expiring,
}

/// A proposal of new shares.
#[derive(Args, Clone, Debug)]
pub(crate) struct MigrateArgs {
    /// Id of the wallet
    pub(crate) id: WalletId,
    /// Engine of the new shares: `dkls23`
    #[arg(long, default_value_t = Engine::default(), value_name = "NAME")]
    pub(crate) to: Engine,
    /// A node that gives of its old share, once for each of t nodes; without any, the first t of the committee give
    #[arg(long = "giver", value_name = "NODE")]
    pub(crate) givers: Vec<NodeId>,
    /// Have the nodes agree a new chain code: EVERY deposit address changes, and what is on an old one cannot be swept any more
    #[arg(long)]
    pub(crate) fresh_chain_code: bool,
    #[command(flatten)]
    pub(crate) signing: Expiring,
}

pub(crate) async fn run(session: &Session, command: &WalletCommand) -> Result<Answer, Failure> {
    match command {
        WalletCommand::Create(args) => create(session, args).await,
        WalletCommand::Migrate(args) => migrate(session, args).await,
        WalletCommand::Import(args) => import::import(session, args).await,
        WalletCommand::Show { id } => show(session, id).await,
        WalletCommand::List => list(session).await,
        WalletCommand::DepositAddress { id, index } => deposit_address(session, id, *index).await,
    }
}

/// Proposes a wallet with the cell's committee.
pub(crate) async fn create(session: &Session, args: &CreateArgs) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let threshold = session.genesis.document.threshold;
    if let Some(warning) = engine::warning(args.engine.name()) {
        session.output.notice(&warning);
    }
    let proposal = WalletProposal {
        wallet: args.id.clone(),
        engine: args.engine.name().to_owned(),
        t: threshold.t,
        n: threshold.n,
        nodes: session.genesis.roster.nodes().iter().map(|node| node.id.clone()).collect(),
    };
    ceremony::propose(session, &args.signing.signing(), &replica, StatementBody::ProposeWallet(proposal))
        .await
}

/// Proposes new shares of a wallet's key.
pub(crate) async fn migrate(session: &Session, args: &MigrateArgs) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let wallet = find(replica.state(), &args.id)?;
    if !args.to.takes_keys_over() {
        let detail = format!("engine `{}` takes over no key: keys move away from it", args.to);
        return Err(Failure::new(Exit::Usage, "ENGINE_CANNOT_RECEIVE", detail).next("--to dkls23"));
    }
    let proposal = MigrationProposal {
        wallet: wallet.id.clone(),
        from_engine: wallet.engine.clone(),
        engine: args.to.name().to_owned(),
        from_epoch: wallet.epoch,
        chain_code: if args.fresh_chain_code { NextChainCode::Fresh } else { NextChainCode::Carried },
        givers: givers(wallet, &args.givers),
        receivers: wallet.nodes.clone(),
    };
    if let Some(warning) = moves_deposits(&proposal) {
        session.output.notice(&warning);
    }
    ceremony::propose(session, &args.signing.signing(), &replica, StatementBody::ProposeMigration(proposal))
        .await
}

/// What an officer has to know before deposit addresses change.
pub(crate) fn moves_deposits(proposal: &MigrationProposal) -> Option<String> {
    (proposal.chain_code == NextChainCode::Fresh).then(|| {
        format!(
            "warning: EVERY deposit address of wallet `{}` changes, and nothing that is on an old one, or arrives there later, can be \
             swept any more: sweep all of them first, and tell customers their new address. The wallet's own address stays.",
            proposal.wallet
        )
    })
}

/// The named nodes in the committee's order, with any that are not of it at the end, for the ledger to refuse; or the first t.
fn givers(wallet: &Wallet, named: &[NodeId]) -> Vec<NodeId> {
    if named.is_empty() {
        return wallet.nodes.iter().take(usize::from(wallet.t)).cloned().collect();
    }
    let mut givers = named.to_vec();
    let place = |node: &NodeId| wallet.nodes.iter().position(|member| member == node).unwrap_or(usize::MAX);
    givers.sort_by_key(place);
    givers
}

pub(crate) async fn show(session: &Session, id: &WalletId) -> Result<Answer, Failure> {
    let replica = replica::look_up(session, |state| state.wallet(id).is_some()).await?;
    let wallet = find(replica.state(), id)?;
    let mut json = wallet_json(wallet);
    if let Some(object) = json.as_object_mut() {
        object.insert("old_shares".to_owned(), json!(old_shares(replica.state(), wallet)));
    }
    Ok(Answer::new(json, text(&replica, wallet)))
}

/// INVARIANT (G2): customers pay to this address, so it is computed here from a key and a chain code that were proven here.
async fn deposit_address(session: &Session, id: &WalletId, index: u32) -> Result<Answer, Failure> {
    let known = || -> Result<Option<known::KnownWallet>, Failure> {
        Ok(known::wallet(&session.profile, id.as_str())?.filter(|wallet| wallet.chain_code.is_some()))
    };
    let wallet = match known()? {
        Some(wallet) => wallet,
        None => {
            let replica = replica::look_up(session, |state| state.wallet(id).is_some()).await?;
            find(replica.state(), id)?;
            known()?.ok_or_else(|| Failure::other("INTERNAL", "the replayed wallet was not kept"))?
        }
    };
    let key = wallet.deposit_key(index)?;
    let json = json!({"wallet": id, "index": index, "path": format!("m/0/{index}"), "address": key.address(),
        "public_key": key, "wallet_address": wallet.address});
    let text = format!(
        "{}\n  deposit address {index} of wallet {id} (m/0/{index} below {}), derived here\n  what arrives there is moved with: holdfast withdraw sweep AMOUNT --wallet {id} --deposit-index {index}",
        key.address(),
        wallet.address
    );
    Ok(Answer::new(json, text))
}

async fn list(session: &Session) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let wallets: Vec<&Wallet> = replica.state().wallets().collect();
    let json: Vec<_> = wallets.iter().map(|wallet| wallet_json(wallet)).collect();
    let json = json!({"wallets": json, "log_size": replica.state().size()});
    Ok(Answer::new(json, format!("{}\n({})", table(&wallets), replica.provenance())))
}

/// The wallet, as the replayed log has it.
pub(crate) fn find<'a>(state: &'a State, id: &WalletId) -> Result<&'a Wallet, Failure> {
    state.wallet(id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WALLET", format!("the log has no active wallet `{id}`")).next(
            "holdfast wallet list; a wallet appears when its ceremony is activated (holdfast ceremony list)",
        )
    })
}

pub(crate) fn wallet_json(wallet: &Wallet) -> Value {
    let mut json = json!(wallet);
    if let Some(object) = json.as_object_mut() {
        object.insert("state".to_owned(), json!(state_of(wallet)));
    }
    json
}

/// What the nodes said about the shares of one epoch that is over.
#[derive(Debug, Serialize)]
struct OldShares {
    epoch: u32,
    nodes: usize,
    erased_by: Vec<NodeId>,
    missing: Vec<NodeId>,
}

/// Epochs that are over, the oldest first. A node that erased the shares of one has erased all before it.
fn old_shares(state: &State, wallet: &Wallet) -> Vec<OldShares> {
    let epochs = 0..wallet.epoch;
    let said = epochs.map(|epoch| {
        let erased_by = state.erased_by(wallet, epoch);
        let missing = wallet.nodes.iter().filter(|node| !erased_by.contains(node)).cloned().collect();
        OldShares { epoch, nodes: wallet.nodes.len(), erased_by, missing }
    });
    said.collect()
}

impl fmt::Display for OldShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {} erased by {} of {} nodes", self.epoch, self.erased_by.len(), self.nodes)?;
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = self.missing.iter().map(NodeId::to_string).collect();
        write!(f, ", not yet by {}", missing.join(", "))
    }
}

fn state_of(wallet: &Wallet) -> &'static str {
    if wallet.is_paused() { "PAUSED" } else { "ACTIVE" }
}

fn text(replica: &LocalReplica, wallet: &Wallet) -> String {
    let nodes: Vec<_> = wallet.nodes.iter().map(ToString::to_string).collect();
    let migrations: String =
        wallet.migrations.iter().map(|ceremony| format!("  migrated    {ceremony}\n")).collect();
    let imported = replica.state().import_of(wallet).map(|import| {
        let (t, n) = (import.old.t, import.old.n());
        format!("  imported    from a deployment of {t} of {n}, whose own copies nobody here can count: they still pay from this address, so move the funds\n")
    });
    let imported = imported.unwrap_or_default();
    let old = old_shares(replica.state(), wallet).into_iter();
    let old: String = old.map(|epoch| format!("  old shares  {epoch}\n")).collect();
    let pauses: String = wallet
        .pauses
        .iter()
        .map(|pause| format!("  paused by {} since {} (entry {})\n", pause.by, pause.time, pause.index))
        .collect();
    format!(
        "wallet {}: {}\n  address     {}\n  public key  {}\n  signs       {} of {} ({})\n  engine      {}, epoch {}\n  ceremony    {} (active since entry {})\n{imported}{migrations}{old}{pauses}({})",
        wallet.id,
        state_of(wallet),
        wallet.address,
        wallet.public_key,
        wallet.t,
        wallet.nodes.len(),
        nodes.join(", "),
        wallet.engine,
        wallet.epoch,
        wallet.ceremony,
        wallet.index,
        replica.provenance(),
    )
}

fn table(wallets: &[&Wallet]) -> String {
    if wallets.is_empty() {
        return "no wallets".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["wallet", "state", "address", "signs", "engine", "epoch"]);
    for wallet in wallets {
        table.add_row([
            wallet.id.to_string(),
            state_of(wallet).to_owned(),
            wallet.address.to_string(),
            format!("{} of {}", wallet.t, wallet.nodes.len()),
            wallet.engine.clone(),
            wallet.epoch.to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use holdfast_ledger::CeremonyKind;

    use super::*;
    use crate::testing::TestCell;

    fn shown(cell: &TestCell) -> Vec<String> {
        let wallet = cell.state().wallets().next().unwrap();
        old_shares(cell.state(), wallet).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn wallet_says_which_nodes_have_erased_its_old_shares_and_which_have_not() {
        let mut cell = TestCell::ready();
        assert!(shown(&cell).is_empty());
        cell.migrate(NextChainCode::Carried, 0x11);
        assert_eq!(shown(&cell), ["epoch 0 erased by 0 of 3 nodes, not yet by node-1, node-2, node-3"]);
        cell.erased(1, 0);
        cell.erased(3, 0);
        assert_eq!(shown(&cell), ["epoch 0 erased by 2 of 3 nodes, not yet by node-2"]);
        cell.migrate(NextChainCode::Carried, 0x11);
        cell.erased(2, 1);
        let second = "epoch 1 erased by 1 of 3 nodes, not yet by node-1, node-3";
        assert_eq!(shown(&cell), ["epoch 0 erased by 3 of 3 nodes", second]);
    }

    #[test]
    fn who_proposes_or_approves_is_told_that_deposit_addresses_change_and_only_then() {
        let cell = TestCell::ready();
        let of = |next| ceremony::warnings(&CeremonyKind::MigrateWallet(cell.migration(next)));
        assert_eq!(of(NextChainCode::Carried), Vec::<String>::new());
        let told = of(NextChainCode::Fresh);
        assert!(
            told.len() == 1 && told[0].contains("EVERY deposit address of wallet `hot-1` changes"),
            "{told:?}"
        );
        // And a key that would go behind the engine that nobody maintains is warned of too
        let back = MigrationProposal {
            engine: Engine::Gg20.name().to_owned(),
            ..cell.migration(NextChainCode::Carried)
        };
        assert!(ceremony::warnings(&CeremonyKind::MigrateWallet(back))[0].contains("nobody maintains"));
    }

    #[test]
    fn givers_are_the_first_t_or_those_that_are_named_in_the_committees_order() {
        let cell = TestCell::ready();
        let wallet = cell.state().wallets().next().unwrap();
        let named = |nodes: &[&str]| {
            let nodes: Vec<NodeId> = nodes.iter().map(|node| node.parse().unwrap()).collect();
            givers(wallet, &nodes).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(named(&[]), ["node-1", "node-2"]);
        assert_eq!(named(&["node-3", "node-1"]), ["node-1", "node-3"]);
        assert_eq!(named(&["node-9", "node-2"]), ["node-2", "node-9"]);
    }
}
