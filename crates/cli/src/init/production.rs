//! The steps of a real cell: keys, the genesis document, officers' signatures, the first entry.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holdfast_ledger::{
    ClientEntry, CoordinatorEntry, GENESIS_NAMESPACE, Genesis, NodeEntry, OfficerEntry, ProviderEntry,
    ScreeningListEntry, WitnessEntry, fingerprint,
};
use holdfast_policy::{NodeId, OfficerId};
use serde::Deserialize;
use serde_json::json;

use super::document::{self, Parts};
use crate::clock::{self, parse_duration};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keys;
use crate::output::{Answer, Output};

/// The document's parts.
#[derive(Args, Debug)]
pub(super) struct GenesisArgs {
    /// Name of the cluster: 1 to 63 of `a-z`, `0-9` and inner `-`; add something random to keep two cells apart
    #[arg(long)]
    cluster: String,
    /// Shares needed to sign (t); n is the number of enrolments, and 2t > n must hold
    #[arg(long, value_name = "T")]
    threshold: u8,
    /// How many nodes may be hostile together with the coordinator (f), at most the threshold minus one: above 0, signing
    /// needs cosignatures of more than (n + f) / 2 nodes
    #[arg(long, default_value_t = 0, value_name = "F")]
    hostile_nodes: u8,
    /// A node's enrolment.json, in committee order
    #[arg(long = "enrolment", value_name = "FILE", required = true)]
    enrolments: Vec<PathBuf>,
    /// NAME=FILE.pub:ROLE,ROLE
    #[arg(long = "officer", value_name = "OFFICER", required = true)]
    officers: Vec<String>,
    /// NAME=PUBLIC_KEY_HEX:WALLET,WALLET
    #[arg(long = "client", value_name = "CLIENT", required = true)]
    clients: Vec<String>,
    /// How long clients' keys are valid
    #[arg(long, default_value = "365d", value_name = "DURATION", value_parser = parse_duration)]
    clients_valid_for: Duration,
    /// NAME=PUBLIC_KEY_HEX
    #[arg(long = "provider", value_name = "PROVIDER")]
    providers: Vec<String>,
    /// The coordinator's key for checkpoints, hex
    #[arg(long, value_name = "HEX")]
    coordinator_log_key: String,
    /// The coordinator's key for its own entries, hex
    #[arg(long, value_name = "HEX")]
    coordinator_entry_key: String,
    /// An outside witness of the log: NAME=PUBLIC_KEY_HEX, NAME as it signs notes
    #[arg(long = "witness", value_name = "WITNESS")]
    witnesses: Vec<String>,
    /// Cosignatures of outside witnesses without which no node signs
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    witnesses_required: u8,
    /// SYMBOL:CHAIN_ID:DECIMALS[:CONTRACT]
    #[arg(long = "asset", value_name = "ASSET", required = true)]
    assets: Vec<String>,
    /// CEREMONY=ROLE:COUNT,ROLE:COUNT for create-wallet, add-whitelist-entry, resume-wallet, change-roster, change-policy; two security officers if absent. tighten-policy serves changes that only tighten, change-policy if absent; migrate-wallet serves new shares of a key, create-wallet if absent
    #[arg(long = "quorum", value_name = "QUORUM")]
    quorums: Vec<String>,
    /// The first policy, TOML
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// A screening list: ID=FILE:DATE:SOURCE
    #[arg(long = "list", value_name = "LIST")]
    lists: Vec<String>,
    /// Where to write the document
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    out: PathBuf,
}

/// An officer's signature.
#[derive(Args, Debug)]
pub(super) struct SignArgs {
    /// The document
    document: PathBuf,
    /// The officer, as the document names it
    #[arg(long)]
    officer: OfficerId,
    /// The officer's OpenSSH private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

/// The first entry's parts.
#[derive(Args, Debug)]
pub(super) struct AssembleArgs {
    /// The document
    document: PathBuf,
    /// NAME=FILE.sig, one for each officer
    #[arg(long = "signature", value_name = "SIGNATURE", required = true)]
    signatures: Vec<String>,
    /// Where to write the entry
    #[arg(long, value_name = "FILE", default_value = "genesis.entry.json")]
    out: PathBuf,
}

/// What `holdfast-node enroll` writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolmentRequest {
    version: u32,
    cluster: String,
    name: NodeId,
    operator: String,
    provider: String,
    region: String,
    #[serde(default, rename = "address")]
    _address: Option<String>,
    #[serde(with = "hex::serde")]
    cosigning_key: [u8; 32],
    #[serde(with = "hex::serde")]
    message_key: [u8; 32],
    #[serde(rename = "tls_csr")]
    _tls_csr: String,
}

pub(super) fn key(file: &Path) -> Result<Answer, Failure> {
    let public = hex::encode(keys::generate_ed25519(file)?.verifying_key().to_bytes());
    let text = format!("`{}` stays here; its public key is\n{public}", file.display());
    Ok(Answer::new(json!({"key": file, "public_key": public}), text))
}

pub(super) fn genesis(args: &GenesisArgs) -> Result<Answer, Failure> {
    let created_at = clock::now();
    let expires = clock::after(created_at, args.clients_valid_for);
    let mut quorums = document::default_quorums()?;
    for text in &args.quorums {
        let (name, quorum) = pair(text, "CEREMONY=ROLE:COUNT")?;
        quorums.insert(name.to_owned(), document::quorum(quorum)?);
    }
    let parts = Parts {
        cluster: args.cluster.clone(),
        created_at,
        threshold: args.threshold,
        hostile_nodes: args.hostile_nodes,
        officers: args.officers.iter().map(|text| officer(text)).collect::<Result<_, _>>()?,
        clients: args.clients.iter().map(|text| client(text, expires)).collect::<Result<_, _>>()?,
        providers: args.providers.iter().map(|text| provider(text)).collect::<Result<_, _>>()?,
        nodes: args.enrolments.iter().map(|path| enrolment(path, &args.cluster)).collect::<Result<_, _>>()?,
        coordinator: CoordinatorEntry {
            log_key: public_key(&args.coordinator_log_key)?,
            entry_key: public_key(&args.coordinator_entry_key)?,
        },
        witnesses: args.witnesses.iter().map(|text| witness(text)).collect::<Result<_, _>>()?,
        witnesses_required: args.witnesses_required,
        assets: args.assets.iter().map(|text| document::asset(text)).collect::<Result<_, _>>()?,
        quorums,
        policy: files::read_text(&args.policy)?,
        screening_lists: args.lists.iter().map(|text| list(text)).collect::<Result<_, _>>()?,
    };
    let bytes = parts.document()?;
    files::write_new(&args.out, &bytes)?;
    let hash = hex::encode(Genesis::hash_of(&bytes));
    let text = format!(
        "genesis document `{}`\nSHA-256     {hash}\nfour words  {}\nnext: every officer reads it and runs `holdfast init sign --officer NAME --key FILE {}`",
        args.out.display(),
        fingerprint(&bytes),
        args.out.display()
    );
    Ok(Answer::new(json!({"document": args.out, "sha256": hash, "fingerprint": fingerprint(&bytes)}), text))
}

pub(super) fn sign(output: Output, args: &SignArgs) -> Result<Answer, Failure> {
    let bytes = files::read(&args.document)?;
    let genesis = checked(&bytes)?;
    if genesis.roster.officer(&args.officer).is_none() {
        let message = format!("the document names no officer `{}`", args.officer);
        return Err(Failure::new(Exit::Usage, "SIGNER_UNKNOWN", message));
    }
    output.line(&summary(&genesis, &bytes));
    if !args.yes {
        output.confirm(&format!("Sign this genesis document as officer `{}`?", args.officer))?;
    }
    let signature = keys::ssh_sign(&args.key, GENESIS_NAMESPACE, &bytes)?;
    let known = genesis.roster.officer(&args.officer).map(|officer| &officer.key);
    if known.is_none_or(|key| key.verify(GENESIS_NAMESPACE, &bytes, &signature).is_err()) {
        let message = format!("the key is not the one that the document gives officer `{}`", args.officer);
        return Err(Failure::new(Exit::Refused, "SIGNER_UNKNOWN", message));
    }
    let path = PathBuf::from(format!("{}.{}.sig", args.document.display(), args.officer));
    files::write_new(&path, &signature)?;
    Ok(Answer::new(json!({"signature": path}), format!("signature written to `{}`", path.display())))
}

fn summary(genesis: &Genesis, bytes: &[u8]) -> String {
    let document = &genesis.document;
    let people: String = document
        .officers
        .iter()
        .map(|officer| {
            let roles: Vec<_> = officer.roles.iter().map(ToString::to_string).collect();
            format!("  officer {} ({})\n", officer.name, roles.join(", "))
        })
        .collect();
    let nodes: String = document
        .nodes
        .iter()
        .map(|node| {
            format!("  node {} of {} at {}, {}\n", node.name, node.operator, node.provider, node.region)
        })
        .collect();
    format!(
        "genesis of cluster {}, {} of {} nodes sign\n{people}{nodes}  policy SHA-256 {}\n  SHA-256     {}\n  four words  {}\n",
        document.cluster,
        document.threshold.t,
        document.threshold.n,
        genesis.policy.hash(),
        hex::encode(genesis.hash),
        fingerprint(bytes)
    )
}

pub(super) fn assemble(args: &AssembleArgs) -> Result<Answer, Failure> {
    let bytes = files::read(&args.document)?;
    let mut signatures = Vec::new();
    for text in &args.signatures {
        let (name, path) = pair(text, "NAME=FILE.sig")?;
        let officer = OfficerId::new(name).map_err(|error| Failure::usage(error.to_string()))?;
        signatures.push((officer, files::read(Path::new(path))?));
    }
    let entry = Genesis::assemble(&bytes, &signatures).map_err(|error| {
        Failure::new(Exit::Usage, "GENESIS_INVALID", error.to_string())
            .next("every officer in the document must sign it")
    })?;
    files::write_new(&args.out, entry.bytes())?;
    let hash = hex::encode(Genesis::hash_of(&bytes));
    let text = format!(
        "the log's first entry is `{}`\npin this in every node.toml, coordinator.toml and profile:\ngenesis_sha256 = \"{hash}\"",
        args.out.display()
    );
    Ok(Answer::new(json!({"entry": args.out, "sha256": hash}), text))
}

fn checked(bytes: &[u8]) -> Result<Genesis, Failure> {
    let genesis = Genesis::from_document(bytes)
        .map_err(|error| Failure::new(Exit::Usage, "GENESIS_INVALID", error.to_string()))?;
    document::check_size(bytes, &genesis)?;
    Ok(genesis)
}

fn pair<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=').ok_or_else(|| Failure::usage(format!("`{text}` is not of the form {form}")))
}

fn officer(text: &str) -> Result<OfficerEntry, Failure> {
    let form = "NAME=FILE.pub:ROLE,ROLE";
    let (name, rest) = pair(text, form)?;
    let (path, roles) =
        rest.rsplit_once(':').ok_or_else(|| Failure::usage(format!("`{text}` is not of the form {form}")))?;
    let roles =
        roles.split(',').map(|role| role.parse().map_err(|_| Failure::usage(format!("`{role}` is no role"))));
    Ok(OfficerEntry {
        name: OfficerId::new(name).map_err(|error| Failure::usage(error.to_string()))?,
        roles: roles.collect::<Result<_, _>>()?,
        ssh_public_key: files::read_text(Path::new(path))?.trim().to_owned(),
    })
}

fn client(text: &str, expires_at_ms: holdfast_policy::TimestampMs) -> Result<ClientEntry, Failure> {
    let form = "NAME=PUBLIC_KEY_HEX:WALLET,WALLET";
    let (name, rest) = pair(text, form)?;
    let (key, wallets) =
        rest.split_once(':').ok_or_else(|| Failure::usage(format!("`{text}` is not of the form {form}")))?;
    let wallets = wallets
        .split(',')
        .map(|wallet| wallet.parse().map_err(|_| Failure::usage(format!("`{wallet}` is no wallet id"))));
    Ok(ClientEntry {
        name: name.parse().map_err(|_| Failure::usage(format!("`{name}` is no client id")))?,
        public_key: public_key(key)?,
        wallets: wallets.collect::<Result<_, _>>()?,
        expires_at_ms,
    })
}

fn provider(text: &str) -> Result<ProviderEntry, Failure> {
    let (name, key) = pair(text, "NAME=PUBLIC_KEY_HEX")?;
    let name = name.parse().map_err(|_| Failure::usage(format!("`{name}` is no provider id")))?;
    Ok(ProviderEntry { name, public_key: public_key(key)? })
}

fn witness(text: &str) -> Result<WitnessEntry, Failure> {
    let (name, key) = pair(text, "NAME=PUBLIC_KEY_HEX")?;
    Ok(WitnessEntry { name: name.to_owned(), public_key: public_key(key)? })
}

/// What a node wrote about itself, for this cluster.
pub(crate) fn enrolment(path: &Path, cluster: &str) -> Result<NodeEntry, Failure> {
    let refuse = |message: String| {
        Failure::new(Exit::Usage, "ENROLMENT_INVALID", format!("`{}`: {message}", path.display()))
            .next("get the file again from the node's operator")
    };
    let request: EnrolmentRequest =
        serde_json::from_slice(&files::read(path)?).map_err(|error| refuse(error.to_string()))?;
    if request.version != 1 {
        return Err(refuse(format!("version {} is unknown", request.version)));
    }
    if request.cluster != cluster {
        return Err(refuse(format!("it is for cluster `{}`", request.cluster)));
    }
    Ok(NodeEntry {
        name: request.name,
        operator: request.operator,
        provider: request.provider,
        region: request.region,
        cosigning_key: request.cosigning_key,
        message_key: request.message_key,
    })
}

fn list(text: &str) -> Result<ScreeningListEntry, Failure> {
    let form = "ID=FILE:DATE:SOURCE";
    let refuse = || Failure::usage(format!("`{text}` is not of the form {form}"));
    let (id, rest) = pair(text, form)?;
    let mut fields = rest.splitn(3, ':');
    let (path, as_of, source) = (
        fields.next().ok_or_else(refuse)?,
        fields.next().ok_or_else(refuse)?,
        fields.next().ok_or_else(refuse)?,
    );
    Ok(ScreeningListEntry {
        id: id.parse().map_err(|_| refuse())?,
        source: source.to_owned(),
        as_of: as_of.to_owned(),
        text: files::read_text(Path::new(path))?,
    })
}

fn public_key(text: &str) -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).map_err(|_| {
        Failure::usage(format!("`{text}` is not an Ed25519 public key in 64 hexadecimal digits"))
    })?;
    Ok(key)
}
