//! `holdfast init`: a whole cell for a demonstration, or the pieces of a real one.
//!
//! In production no machine ever holds keys of two parties: nodes enrol with their own keys, officers sign the genesis
//! document with theirs, and the authority only certifies. The demo makes everything in one directory, and says so.

mod authority;
mod demo_cell;
mod document;
mod layout;
mod production;

pub(crate) use production::enrolment;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::{Answer, Output};

pub(crate) use demo_cell::{DemoCell, make as make_demo};

const LONG_ABOUT: &str = "\
Make a cell.

A demonstration on one machine, with every key in one directory:

  holdfast init --demo DIR

A real cell, where no machine ever holds keys of two parties:

  1. Each node's operator makes the node's keys on the node itself and sends enrolment.json:
       holdfast-node enroll --dir node-1 --cluster NAME --name node-1 --operator O --provider P --region R
  2. The coordinator's operator, and each client and provider, makes keys and sends the public halves:
       holdfast init key log.key; holdfast init key entry.key; holdfast init key pipeline.key
     Each officer uses an SSH key (ssh-keygen -t ed25519, or ed25519-sk on a security key) and sends the .pub file.
  3. Somebody builds the genesis document from all that:
       holdfast init genesis --cluster NAME --threshold 2 --enrolment node-1/enrolment.json ... \\
         --officer alice=alice.pub:security-officer,withdrawal-approver --officer bob=bob.pub:... \\
         --client pipeline=HEX:hot-1 --provider sessions=HEX --coordinator-log-key HEX --coordinator-entry-key HEX \\
         --asset USDT:1:6:0xdAC17F958D2ee523a2206206994597C13D831ec7 --asset ETH:1:18 \\
         --policy policy.toml --list ofac-eth=ofac-eth.txt:2026-11-21:SOURCE --out genesis.json
  4. Every officer reads it, compares its SHA-256 with the others by another channel, and signs it:
       holdfast init sign --officer alice --key ~/.ssh/id_ed25519 genesis.json
     or ssh-keygen -Y sign -n holdfast-genesis -f KEY genesis.json
  5. Put together, it is the log's first entry; its SHA-256 is pinned in every node, coordinator and profile:
       holdfast init assemble genesis.json --signature alice=genesis.json.alice.sig ... --out genesis.entry.json
  6. An authority certifies the TLS keys; it can read nothing and move nothing, it only says who is who:
       holdfast init authority --cluster NAME --out ca
       holdfast init certify --ca ca --csr node-1/tls.csr --identity node/node-1 --out node-1/tls.pem";

/// Make a cell: `--demo DIR`, or the steps of a real one
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    demo: DemoArgs,
    #[command(subcommand)]
    step: Option<Step>,
}

/// A demonstration cell.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DemoArgs {
    /// Write a whole cell with all its keys into DIR, which must be new or empty: for demonstrations only
    #[arg(long = "demo", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// First of the consecutive ports to use on 127.0.0.1; free ones are chosen if absent
    #[arg(long, value_name = "PORT", requires = "directory")]
    pub(crate) base_port: Option<u16>,
    /// Storage engine of every process
    #[arg(long, value_name = "ENGINE", default_value = "redb", value_parser = ["redb", "sled"], requires = "directory")]
    pub(crate) store: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Step {
    /// Make an Ed25519 key file and print its public key
    Key {
        /// File to write, mode 0600
        file: PathBuf,
    },
    /// Make a TLS key and a certificate request for an identity
    Request(authority::RequestArgs),
    /// Make a certificate authority
    Authority(authority::AuthorityArgs),
    /// Certify the key in a request for exactly one identity
    Certify(authority::CertifyArgs),
    /// Build the genesis document from enrolments and public keys
    Genesis(Box<production::GenesisArgs>),
    /// Sign the genesis document as an officer
    Sign(production::SignArgs),
    /// Put document and signatures together into the log's first entry
    Assemble(production::AssembleArgs),
}

pub(crate) fn run(output: Output, args: &InitArgs) -> Result<Answer, Failure> {
    match (&args.step, &args.demo.directory) {
        (None, Some(directory)) => demo_cell::answer(&make_demo(output, directory, &args.demo)?),
        (None, None) => {
            Err(Failure::usage("nothing to make").next("pass `--demo DIR`, or see `holdfast init --help`"))
        }
        (Some(Step::Key { file }), _) => production::key(file),
        (Some(Step::Request(args)), _) => authority::request(args),
        (Some(Step::Authority(args)), _) => authority::make(args),
        (Some(Step::Certify(args)), _) => authority::certify(args),
        (Some(Step::Genesis(args)), _) => production::genesis(args),
        (Some(Step::Sign(args)), _) => production::sign(output, args),
        (Some(Step::Assemble(args)), _) => production::assemble(args),
    }
}
