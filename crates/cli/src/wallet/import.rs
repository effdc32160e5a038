//! `holdfast wallet import`: propose to make a wallet of a key that another deployment holds.
//!
//! What it reads is public: which key, and which points verify its shares. Must never read a share: those stay on the nodes'
//! machines.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use holdfast_chains::{Address, PublicKey};
use holdfast_ledger::{ImportGiver, ImportProposal, OldKey, StatementBody, WalletProposal};
use holdfast_policy::{NodeId, WalletId};
use serde::Deserialize;

use crate::ceremony;
use crate::engine::Engine;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Answer;
use crate::replica;
use crate::session::Session;
use crate::statement::Expiring;

/// A proposal of an import.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImportArgs {
    /// Id of the wallet to be made, for example `old-1`
    pub(crate) id: WalletId,
    /// Engine of the new shares: `dkls23`
    #[arg(long, default_value_t = Engine::default(), value_name = "NAME")]
    pub(crate) to: Engine,
    /// The public half of the key, as `holdfast-node inspect-share` printed it from one of the old files
    #[arg(long, value_name = "FILE")]
    pub(crate) public: PathBuf,
    /// A node, and the old party whose file lies on it: once for each of the shares that it took to sign
    #[arg(long = "giver", value_name = "NODE=PARTY", required = true)]
    pub(crate) givers: Vec<Giver>,
    #[command(flatten)]
    pub(crate) signing: Expiring,
}

/// `node-1=3`: node-1 has the file of old party 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Giver(ImportGiver);

impl FromStr for Giver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=');
        let giver = parts.and_then(|(node, party)| {
            Some(ImportGiver { node: node.parse().ok()?, party: party.parse().ok()? })
        });
        giver.map(Self).ok_or_else(|| "must read `NODE=PARTY`, for example `node-1=3`".to_owned())
    }
}

/// What `holdfast-node inspect-share` prints.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Public {
    /// Whose file it was printed from; every file of the key says the same of the key.
    #[serde(rename = "party")]
    _party: u8,
    threshold: String,
    address: Address,
    public_key: PublicKey,
    verifying_shares: Vec<PublicKey>,
}

/// Proposes that a wallet gets the key of another deployment.
pub(crate) async fn import(session: &Session, args: &ImportArgs) -> Result<Answer, Failure> {
    if !args.to.takes_keys_over() {
        let detail = format!("engine `{}` takes over no key: keys move away from it", args.to);
        return Err(Failure::new(Exit::Usage, "ENGINE_CANNOT_RECEIVE", detail).next("--to dkls23"));
    }
    let old = old_key(&args.public)?;
    let replica = replica::download(session).await?;
    let threshold = session.genesis.document.threshold;
    let nodes: Vec<NodeId> = replica.state().roster().nodes().iter().map(|node| node.id.clone()).collect();
    let proposal = ImportProposal {
        old,
        givers: in_order(&nodes, &args.givers),
        wallet: WalletProposal {
            wallet: args.id.clone(),
            engine: args.to.name().to_owned(),
            t: threshold.t,
            n: threshold.n,
            nodes,
        },
    };
    session.output.notice(&outlives(&proposal));
    let body = StatementBody::ProposeImport(Box::new(proposal));
    ceremony::propose(session, &args.signing.signing(), &replica, body).await
}

/// What an officer has to know before a key comes here that others have had.
pub(crate) fn outlives(proposal: &ImportProposal) -> String {
    let OldKey { t, public_key, .. } = &proposal.old;
    format!(
        "warning: an import does not end the old shares. Whoever ran the old deployment, or has a copy of {t} of its files, can pay \
         from {} without this cluster and without its policy, for as long as the key exists. Only moving the funds to a wallet that \
         was made here ends that: do it soon, and use the imported wallet to receive what still arrives.",
        public_key.address()
    )
}

/// The givers in the committee's order, with any that are not of it at the end, for the ledger to refuse.
fn in_order(nodes: &[NodeId], givers: &[Giver]) -> Vec<ImportGiver> {
    let mut givers: Vec<ImportGiver> = givers.iter().map(|giver| giver.0.clone()).collect();
    givers.sort_by_key(|giver| nodes.iter().position(|node| *node == giver.node).unwrap_or(usize::MAX));
    givers
}

fn old_key(path: &Path) -> Result<OldKey, Failure> {
    read(&files::read(path)?).map_err(|problem| {
        let message = format!("`{}`: {problem}", path.display());
        Failure::new(Exit::Usage, "IMPORT_KEY_INVALID", message)
            .next("holdfast-node inspect-share FILE, on a machine that has one of the old files")
    })
}

fn read(bytes: &[u8]) -> Result<OldKey, String> {
    let public: Public = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let Public { _party, threshold, address, public_key, verifying_shares } = public;
    let numbers = threshold.split_once(" of ");
    let numbers = numbers.and_then(|(t, n)| Some((t.parse::<u8>().ok()?, n.parse::<u8>().ok()?)));
    let (t, n) = numbers.ok_or("`threshold` must read `T of N`")?;
    if address != public_key.address() {
        return Err("`address` is not that of `public_key`".to_owned());
    }
    let old = OldKey { t, public_key, verifying_shares };
    if old.n() != n || !old.is_sound() {
        return Err("`verifying_shares` are not those of `public_key` and `threshold`".to_owned());
    }
    Ok(old)
}

#[cfg(test)]
mod tests {
    use holdfast_ledger::CeremonyKind;
    use serde_json::{Value, json};

    use super::*;

    /// 2 of 3: the key is 7 times the generator, and the shares are 18, 29 and 40 times.
    fn public() -> Value {
        let point = |scalar: u8| {
            let mut bytes = [0; 32];
            bytes[31] = scalar;
            let key = k256::ecdsa::SigningKey::from_slice(&bytes).unwrap();
            PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
        };
        let key = point(7);
        json!({"party": 2, "threshold": "2 of 3", "address": key.address(), "public_key": key,
            "verifying_shares": [point(18), point(29), point(40)]})
    }

    fn with(name: &str, value: Value) -> Result<OldKey, String> {
        let mut public = public();
        public[name] = value;
        read(&serde_json::to_vec(&public).unwrap())
    }

    #[test]
    fn public_half_of_a_key_is_read_and_nothing_that_does_not_fit_together() {
        let old = with("party", json!(1)).unwrap();
        assert_eq!((old.t, old.n()), (2, 3));
        let shares = public()["verifying_shares"].clone();
        for (name, value) in [
            ("threshold", json!("1 of 3")),
            ("threshold", json!("2 of 4")),
            ("threshold", json!("2/3")),
            ("address", json!("0x8ba1f109551bD432803012645Ac136ddd64DBA72")),
            ("public_key", shares[0].clone()),
            ("verifying_shares", json!([shares[1], shares[0], shares[2]])),
            ("verifying_shares", json!([shares[0], shares[1]])),
            ("x_i", json!("00")),
        ] {
            assert!(with(name, value).is_err(), "{name}");
        }
    }

    #[test]
    fn givers_are_named_with_their_old_party_and_stand_in_the_committees_order() {
        let giver = |text: &str| text.parse::<Giver>();
        for bad in ["node-1", "node-1=", "=1", "node-1=256", "node-1=-1", "Node 1=1", "node-1=1=2"] {
            assert!(giver(bad).is_err(), "{bad}");
        }
        let nodes: Vec<NodeId> = ["node-1", "node-2", "node-3"].map(|node| node.parse().unwrap()).to_vec();
        let given = ["node-9=1", "node-3=2", "node-1=5"].map(|text| giver(text).unwrap());
        let ordered = in_order(&nodes, &given);
        let told: Vec<_> = ordered.iter().map(|giver| format!("{}={}", giver.node, giver.party)).collect();
        assert_eq!(told, ["node-1=5", "node-3=2", "node-9=1"]);
    }

    #[test]
    fn who_proposes_or_approves_is_told_that_the_old_shares_go_on() {
        let old = read(&serde_json::to_vec(&public()).unwrap()).unwrap();
        let wallet = WalletProposal {
            wallet: "old-1".parse().unwrap(),
            engine: Engine::default().name().to_owned(),
            t: 2,
            n: 3,
            nodes: Vec::new(),
        };
        let address = old.public_key.address();
        let proposal = ImportProposal { wallet, old, givers: Vec::new() };
        let told = ceremony::warnings(&CeremonyKind::ImportWallet(Box::new(proposal)));
        let expected = format!("has a copy of 2 of its files, can pay from {address} without this cluster");
        assert!(told.len() == 1 && told[0].contains(&expected), "{told:?}");
    }
}
