//! `holdfast order`: agencies' legal orders. A document alone moves nothing: what is released, unfrozen or disclosed needs officers of
//! two roles and two registered contacts of the agency, whose signatures come by another way than the document.

mod page;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use holdfast_chains::{Address, ChainId};
use holdfast_ledger::{
    DocumentDigest, LegalOrder, ORDER_NAMESPACE, OrderConfirmation, OrderDemand, OrderProposal,
    OrderReference, OrderSubject, PayloadKind, ReleaseDemand, State, StatementBody, key_id,
};
use holdfast_log::{Envelope, EnvelopeSignature};
use holdfast_policy::{AgencyId, ContactId, CustomerRef, LegalOrderId, WalletId};
use holdfast_proto::v1;
use holdfast_proto::v1::legal_order_service_client::LegalOrderServiceClient;
use holdfast_transport::Role;
use serde_json::json;

use crate::amount::parse_money;
use crate::ceremony::{self, Sent};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Answer;
use crate::replica::{self, LocalReplica};
use crate::session::Session;
use crate::statement::Signing;

/// Deal with agencies' legal orders: freeze, unfreeze, release, disclose
#[derive(Subcommand, Debug)]
pub(crate) enum OrderCommand {
    /// Open an order: one that freezes does so at once and lapses unless it is approved; every other one moves nothing yet
    Open(Box<OpenArgs>),
    /// Hand in what a contact of the agency signed, or print what the contact has to sign
    Confirm(ConfirmArgs),
    /// Approve an order: the statement is generated from the log on this machine
    Approve(ApproveArgs),
    /// Show one order, from the log
    Show {
        /// Id of the order (`o-...`)
        id: LegalOrderId,
    },
    /// List all orders, from the log
    List,
}

/// What an order demands.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Demands {
    /// Nothing is paid from, for or to `--wallet`, `--customer` or `--address`
    Freeze,
    /// The freeze by `--order` ends
    Unfreeze,
    /// `--wallet` pays `--amount` to `--address`, by an ordinary withdrawal that names the order
    Release,
    /// What is known about `--wallet`, `--customer` or `--address` is told to the agency
    Disclose,
}

/// An order to open.
#[derive(Args, Clone, Debug)]
pub(crate) struct OpenArgs {
    /// What it demands
    demands: Demands,
    /// Whose order it is
    #[arg(long)]
    agency: AgencyId,
    /// The agency's reference: 1 to 64 of `A-Z a-z 0-9 . _ / -`
    #[arg(long, value_name = "REF")]
    reference: OrderReference,
    /// The document as it came; only its SHA-256 leaves this machine
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
    /// A wallet
    #[arg(long)]
    wallet: Option<WalletId>,
    /// A customer's pseudonym
    #[arg(long)]
    customer: Option<CustomerRef>,
    /// An address, with its EIP-55 checksum
    #[arg(long)]
    address: Option<String>,
    /// EIP-155 chain id of the address
    #[arg(long, default_value_t = 1)]
    chain_id: u64,
    /// What is to be paid, such as `1250.5 USDT`
    #[arg(long)]
    amount: Option<String>,
    /// The order whose freeze ends (`o-...`)
    #[arg(long)]
    order: Option<LegalOrderId>,
    #[command(flatten)]
    signing: Signing,
}

/// A contact's confirmation.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfirmArgs {
    /// Id of the order (`o-...`)
    id: LegalOrderId,
    /// The registered contact
    #[arg(long)]
    contact: ContactId,
    /// What `ssh-keygen -Y sign -n holdfast-order` made of the text; without it the text is written to `--write`
    #[arg(long, value_name = "FILE.sig", required_unless_present = "write")]
    signature: Option<PathBuf>,
    /// Write the text that the contact has to sign, and stop
    #[arg(long, value_name = "FILE", conflicts_with = "signature")]
    write: Option<PathBuf>,
    /// The officer who hands it in; the profile's default if absent
    #[arg(long, env = "HOLDFAST_OFFICER", value_name = "NAME")]
    officer: Option<String>,
}

/// An officer's approval.
#[derive(Args, Clone, Debug)]
pub(crate) struct ApproveArgs {
    /// Id of the order (`o-...`)
    id: LegalOrderId,
    #[command(flatten)]
    signing: Signing,
}

pub(crate) async fn run(session: &Session, command: &OrderCommand) -> Result<Answer, Failure> {
    match command {
        OrderCommand::Open(args) => open(session, args).await,
        OrderCommand::Confirm(args) => confirm(session, args).await,
        OrderCommand::Approve(args) => {
            let replica = look_up(session, &args.id).await?;
            find(replica.state(), &args.id)?;
            let body = StatementBody::ApproveOrder(args.id.clone());
            act(session, &args.signing, &replica, body, &args.id).await
        }
        OrderCommand::Show { id } => {
            let replica = look_up(session, id).await?;
            Ok(page::one(&replica, find(replica.state(), id)?))
        }
        OrderCommand::List => Ok(page::all(&replica::download(session).await?)),
    }
}

async fn open(session: &Session, args: &OpenArgs) -> Result<Answer, Failure> {
    let document = files::read(&args.document)?;
    let proposal = OrderProposal {
        agency: args.agency.clone(),
        reference: args.reference.clone(),
        document: DocumentDigest::of(&document),
        demand: demand(session, args)?,
    };
    let id = proposal
        .id(&session.genesis.document.cluster)
        .ok_or_else(|| Failure::other("INTERNAL", "the order has no id"))?;
    let replica = replica::download(session).await?;
    act(session, &args.signing, &replica, StatementBody::OpenOrder(Box::new(proposal)), &id).await
}

async fn act(
    session: &Session,
    signing: &Signing,
    replica: &LocalReplica,
    body: StatementBody,
    id: &LegalOrderId,
) -> Result<Answer, Failure> {
    let sent = ceremony::act(session, signing, replica, body, async |channel, envelope| {
        LegalOrderServiceClient::new(channel).submit(v1::SubmitLegalOrderRequest { envelope }).await.map(drop)
    });
    match sent.await? {
        Sent::Written(answer) => Ok(answer),
        Sent::Logged(logged) => {
            let answer = page::one(&logged.replica, find(logged.replica.state(), id)?);
            Ok(logged.answer(answer))
        }
    }
}

fn demand(session: &Session, args: &OpenArgs) -> Result<OrderDemand, Failure> {
    match args.demands {
        Demands::Freeze => subject(args).map(OrderDemand::Freeze),
        Demands::Disclose => subject(args).map(OrderDemand::Disclose),
        Demands::Unfreeze => match (&args.order, &args.wallet, &args.customer, &args.address) {
            (Some(order), None, None, None) => Ok(OrderDemand::Unfreeze(order.clone())),
            _ => Err(Failure::usage("an order to unfreeze names the freeze: pass `--order ORDER` alone")),
        },
        Demands::Release => {
            let (Some(wallet), Some(amount), None) = (&args.wallet, &args.amount, &args.customer) else {
                let message = "an order to release names `--wallet`, `--amount` and `--address`";
                return Err(Failure::usage(message));
            };
            let money = parse_money(amount, args.chain_id, session.assets())?;
            Ok(OrderDemand::Release(ReleaseDemand {
                wallet: wallet.clone(),
                asset: money.asset.symbol,
                amount: money.amount,
                chain_id: ChainId(args.chain_id),
                address: address(args)?,
            }))
        }
    }
}

fn subject(args: &OpenArgs) -> Result<OrderSubject, Failure> {
    match (&args.wallet, &args.customer, &args.address) {
        (Some(wallet), None, None) => Ok(OrderSubject::Wallet(wallet.clone())),
        (None, Some(customer), None) => Ok(OrderSubject::Customer(customer.clone())),
        (None, None, Some(_)) => Ok(OrderSubject::Destination(ChainId(args.chain_id), address(args)?)),
        _ => Err(Failure::usage("name exactly one of `--wallet`, `--customer` and `--address`")),
    }
}

fn address(args: &OpenArgs) -> Result<Address, Failure> {
    let text = args.address.as_deref().ok_or_else(|| Failure::usage("pass `--address`"))?;
    Address::parse(text).map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()))
}

async fn confirm(session: &Session, args: &ConfirmArgs) -> Result<Answer, Failure> {
    let replica = look_up(session, &args.id).await?;
    let state = replica.state();
    let order = find(state, &args.id)?;
    let contact = state.roster().contact(&args.contact).ok_or_else(|| {
        let message = format!("the roster has no contact `{}`", args.contact);
        Failure::new(Exit::NotFound, "UNKNOWN_PARTY", message).next("holdfast roster show")
    })?;
    let text = OrderConfirmation::text(state.cluster(), order, &args.contact);
    let Some(signature) = &args.signature else {
        return written(args, &text);
    };
    let signature = files::read(signature)?;
    // INVARIANT (G1): nothing is handed in that the registered key of this contact has not signed.
    contact.key.verify(ORDER_NAMESPACE, text.as_bytes(), &signature).map_err(|error| {
        Failure::new(Exit::Refused, "ENVELOPE_SIGNATURE_INVALID", error.to_string())
            .next("have the contact sign what `holdfast order confirm --write FILE` writes")
    })?;
    let signature = EnvelopeSignature { key_id: key_id("contact", args.contact.as_str()), signature };
    let envelope = Envelope::new(
        PayloadKind::OrderConfirmation.payload_type(),
        text.as_bytes().to_vec(),
        vec![signature],
    )
    .map_err(|error| Failure::new(Exit::Usage, error.code(), error.to_string()))?;
    let who = session.profile.choose(Role::Officer, args.officer.as_deref())?;
    let mut client = LegalOrderServiceClient::new(session.coordinator(&who).await?);
    client.submit(v1::SubmitLegalOrderRequest { envelope: envelope.to_json() }).await?;
    let confirmed = |state: &State| {
        let order = state.legal_order(&args.id);
        order.is_some_and(|order| order.confirmations.iter().any(|known| known.contact == args.contact))
    };
    let replica = replica::download_until(session, "the confirmation", confirmed).await?;
    Ok(page::one(&replica, find(replica.state(), &args.id)?))
}

fn written(args: &ConfirmArgs, text: &str) -> Result<Answer, Failure> {
    let path = args.write.as_ref().ok_or_else(|| Failure::usage("pass `--signature` or `--write`"))?;
    files::write_new(path, text.as_bytes())?;
    let name = path.display();
    let next = format!("ssh-keygen -Y sign -n {ORDER_NAMESPACE} -f KEY {name}");
    let json = json!({"file": name.to_string(), "text": text, "sign_with": next});
    let text = format!(
        "confirmation written to `{name}`; give it to `{}` by a way that the document did not come\nthe contact signs it:  {next}\nhand it in:  the same command with `--signature {name}.sig`",
        args.contact
    );
    Ok(Answer::new(json, text))
}

async fn look_up(session: &Session, id: &LegalOrderId) -> Result<LocalReplica, Failure> {
    replica::look_up(session, |state| state.legal_order(id).is_some()).await
}

fn find<'a>(state: &'a State, id: &LegalOrderId) -> Result<&'a LegalOrder, Failure> {
    state.legal_order(id).ok_or_else(|| {
        let message = format!("the log has no legal order `{id}`");
        Failure::new(Exit::NotFound, "UNKNOWN_LEGAL_ORDER", message).next("holdfast order list")
    })
}
