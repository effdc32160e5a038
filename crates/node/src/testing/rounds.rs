//! The courier: what a coordinator does between nodes, through the service layer.

use holdfast_ledger::{CeremonyId, Outcome, WithdrawalId};
use holdfast_log::Envelope;
use holdfast_proto::v1::node_service_server::NodeService;
use holdfast_proto::{reason_of, v1};
use holdfast_threshold::EngineId;
use tonic::{Request, Status};

use super::{Cell, TestNode};
use crate::replica::Extension;

/// Messages by receiving party.
type Mail = Vec<(u32, Vec<u8>)>;

/// The reason code of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    reason_of(status).unwrap_or_default()
}

fn wire(extension: Extension) -> v1::Replication {
    let Extension { from_index, entries, checkpoint, evidence } = extension;
    v1::Replication { from_index, entries, checkpoint, evidence }
}

fn mail(outbound: Vec<v1::Outbound>) -> Mail {
    outbound.into_iter().map(|message| (message.to_party, message.message)).collect()
}

fn for_party(mail: &Mail, number: u8) -> Vec<Vec<u8>> {
    mail.iter().filter(|(to, _)| *to == u32::from(number)).map(|(_, message)| message.clone()).collect()
}

pub(crate) async fn prepare_keygen(
    cell: &Cell,
    node: &TestNode,
    ceremony: CeremonyId,
    session: [u8; 32],
) -> Result<Vec<u8>, Status> {
    Ok(open_keygen(cell, node, ceremony, session).await?.offer)
}

async fn open_keygen(
    cell: &Cell,
    node: &TestNode,
    ceremony: CeremonyId,
    session: [u8; 32],
) -> Result<v1::KeygenPrepareResponse, Status> {
    node.clock.set(cell.now);
    let request = v1::KeygenPrepareRequest {
        ceremony_id: ceremony.to_string(),
        session_id: session.to_vec(),
        replication: Some(wire(cell.extension(node.tip().await))),
    };
    Ok(node.api().keygen_prepare(Request::new(request)).await?.into_inner())
}

pub(crate) async fn keygen_round(
    node: &TestNode,
    session: [u8; 32],
    round: u32,
    messages: Vec<Vec<u8>>,
) -> Result<v1::KeygenRoundResponse, Status> {
    let request = v1::KeygenRoundRequest { session_id: session.to_vec(), round, messages };
    Ok(node.api().keygen_round(Request::new(request)).await?.into_inner())
}

/// Generates the key of wallet `hot-1` with all nodes, logs the confirmations and activates it.
pub(crate) async fn create_wallet(cell: &mut Cell, nodes: &[TestNode]) -> CeremonyId {
    create_wallet_on(EngineId::Dkls23EcdsaSecp256k1V06, cell, nodes).await
}

/// The same with another engine, in as many rounds as its nodes say.
pub(crate) async fn create_wallet_on(engine: EngineId, cell: &mut Cell, nodes: &[TestNode]) -> CeremonyId {
    let ceremony = cell.approve_wallet_on(engine);
    for confirmation in make_shares(cell, nodes, ceremony, [1; 32]).await {
        assert!(matches!(cell.log(&confirmation), Outcome::Admitted(_)));
    }
    cell.activate(ceremony);
    ceremony
}

/// Hands the key of wallet `hot-1` on to new shares of the default engine and activates them; the nodes do not hear of it yet.
pub(crate) async fn migrate(cell: &mut Cell, nodes: &[TestNode]) -> CeremonyId {
    let ceremony = cell.approve_migration(EngineId::Dkls23EcdsaSecp256k1V06);
    for confirmation in make_shares(cell, nodes, ceremony, [0x52; 32]).await {
        assert!(matches!(cell.log(&confirmation), Outcome::Admitted(_)));
    }
    cell.activate(ceremony);
    ceremony
}

/// Runs a ceremony's session on all nodes; their confirmations, which are not logged yet.
pub(crate) async fn make_shares(
    cell: &Cell,
    nodes: &[TestNode],
    ceremony: CeremonyId,
    session: [u8; 32],
) -> Vec<Envelope> {
    let (mut offers, mut rounds) = (Vec::new(), 0);
    for node in nodes {
        let opening = open_keygen(cell, node, ceremony, session).await.unwrap();
        offers.push(opening.offer);
        rounds = opening.rounds;
    }
    let (mut inbox, mut confirmations) = (Mail::new(), Vec::new());
    for round in 1..=rounds {
        assert!(confirmations.is_empty(), "confirmed before round {round} of {rounds}");
        let mut sent = Mail::new();
        for node in nodes {
            let messages = if round == 1 { offers.clone() } else { for_party(&inbox, node.number) };
            let answer = keygen_round(node, session, round, messages).await.unwrap();
            confirmations.extend(answer.confirmation_envelope);
            sent.extend(mail(answer.outbound));
        }
        inbox = sent;
    }
    assert_eq!(confirmations.len(), nodes.len(), "all nodes confirm in one round");
    confirmations.iter().map(|confirmation| Envelope::parse(confirmation).unwrap()).collect()
}

pub(crate) fn sign_prepare_request(
    cell: &Cell,
    from: u64,
    withdrawal: WithdrawalId,
    session: [u8; 32],
    signers: &[&TestNode],
) -> v1::SignPrepareRequest {
    v1::SignPrepareRequest {
        replication: Some(wire(cell.extension(from))),
        session_id: session.to_vec(),
        withdrawal_id: withdrawal.to_string(),
        digest_index: 0,
        signers: signers.iter().map(|node| node.name()).collect(),
        ..v1::SignPrepareRequest::default()
    }
}

/// An attempt, step by step.
pub(crate) struct Attempt<'a> {
    session: [u8; 32],
    signers: Vec<&'a TestNode>,
    offers: Vec<Vec<u8>>,
    /// As the nodes say.
    rounds: u32,
    inbox: Mail,
}

impl<'a> Attempt<'a> {
    pub(crate) async fn prepare(
        cell: &Cell,
        signers: &[&'a TestNode],
        withdrawal: WithdrawalId,
        session: [u8; 32],
    ) -> Result<Self, Status> {
        let (mut offers, mut rounds) = (Vec::new(), 0);
        for node in signers {
            node.clock.set(cell.now);
            let request = sign_prepare_request(cell, node.tip().await, withdrawal, session, signers);
            let opening = node.api().sign_prepare(Request::new(request)).await?.into_inner();
            offers.push(opening.offer);
            rounds = opening.rounds;
        }
        Ok(Self { session, signers: signers.to_vec(), offers, rounds, inbox: Mail::new() })
    }

    /// The offer of one signer, by its place in the attempt.
    pub(crate) fn offer(&self, position: usize) -> Vec<u8> {
        self.offers[position].clone()
    }

    /// One call to one signer.
    pub(crate) async fn call(&self, node: &TestNode, round: u32) -> Result<v1::SignRoundResponse, Status> {
        let messages = if round == 1 { self.offers.clone() } else { for_party(&self.inbox, node.number) };
        self.call_with(node, round, messages).await
    }

    pub(crate) async fn call_with(
        &self,
        node: &TestNode,
        round: u32,
        messages: Vec<Vec<u8>>,
    ) -> Result<v1::SignRoundResponse, Status> {
        let request = v1::SignRoundRequest { session_id: self.session.to_vec(), round, messages };
        Ok(node.api().sign_round(Request::new(request)).await?.into_inner())
    }

    /// A whole round with messages at its end.
    pub(crate) async fn round(&mut self, round: u32) -> Result<(), Status> {
        let mut sent = Mail::new();
        for node in &self.signers {
            sent.extend(mail(self.call(node, round).await?.outbound));
        }
        self.inbox = sent;
        Ok(())
    }

    /// As many rounds as the nodes say, from the first.
    pub(crate) async fn run(mut self) -> Result<Vec<v1::EcdsaSignature>, Status> {
        for round in 1..self.rounds {
            self.round(round).await?;
        }
        self.finish().await
    }

    /// The last round at every signer.
    pub(crate) async fn finish(self) -> Result<Vec<v1::EcdsaSignature>, Status> {
        let mut signatures = Vec::new();
        for node in &self.signers {
            signatures.push(self.call(node, self.rounds).await?.signature.unwrap());
        }
        Ok(signatures)
    }
}

/// A whole attempt.
pub(crate) async fn sign(
    cell: &Cell,
    signers: &[&TestNode],
    withdrawal: WithdrawalId,
    session: [u8; 32],
) -> Result<Vec<v1::EcdsaSignature>, Status> {
    let mut attempt = Attempt::prepare(cell, signers, withdrawal, session).await?;
    for round in 1..=3 {
        attempt.round(round).await?;
    }
    attempt.finish().await
}
