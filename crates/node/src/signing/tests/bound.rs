//! What is bound is what is signed: another permit, another key's share and a peer that breaks the protocol end the attempt.

use std::collections::BTreeMap;

use holdfast_threshold::channel::{ChannelSet, EphemeralOffer, EphemeralSecret, Plaintext, SignedOffer};
use rand::rngs::OsRng;

use super::*;
use crate::testing::{create_wallet, ed25519};

fn order(withdrawal: WithdrawalId, session: u8) -> SignOrder {
    let signers = ["node-1", "node-2"].map(|name| name.parse().unwrap()).to_vec();
    let cosigned_checkpoint = Vec::new();
    SignOrder { session: SessionId([session; 32]), withdrawal, digest_index: 0, signers, cosigned_checkpoint }
}

#[tokio::test]
async fn attempt_goes_on_only_while_the_log_permits_what_was_bound() {
    let (mut cell, nodes) = ready().await;
    let (withdrawal, other) = (cell.authorized("k-1", 0), cell.authorized("k-2", 1));
    nodes[0].catch_up(&cell).await;
    let signing = &nodes[0].node.signing;
    let (gate, held) = (signing.latches.gate().await, signing.replica.read().await);
    let permitted = |id| cell.state().authorized_withdrawal(&id, 0, TimestampMs(cell.now)).unwrap();
    let asked = |bound: &AuthorizedWithdrawal| {
        let still = signing.still_permitted(&held, &gate, &order(withdrawal, 10), bound);
        still.map(|permit| permit.withdrawal()).map_err(|refusal| refusal.code())
    };
    assert_eq!(asked(&permitted(withdrawal)), Ok(withdrawal));
    assert_eq!(asked(&permitted(other)), Err("PERMIT_CHANGED"));
}

#[tokio::test]
async fn share_of_another_key_opens_no_attempt() {
    // Given a permit of one wallet and a share of another one's key
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let mut elsewhere = Cell::new();
    let others = TestNode::three(&elsewhere).await;
    create_wallet(&mut elsewhere, &others).await;
    let wallet = elsewhere.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap().clone();
    let vault = Arc::clone(&others[0].node.signing.vault);
    let share = tokio::task::spawn_blocking(move || vault.share_of(&wallet)).await.unwrap().unwrap();
    // When an attempt is opened with both
    let signing = &nodes[0].node.signing;
    let (order, now) = (order(withdrawal, 10), TimestampMs(cell.now));
    let permit = cell.state().authorized_withdrawal(&withdrawal, 0, now).unwrap();
    let seats = session::Seats::of(&permit, &order.signers, signing.identity.node()).unwrap();
    let keys = Committee::new(permit.nodes()).message_keys(cell.state().roster()).unwrap();
    let bound = signing.guard.bind(permit, order.session).await.unwrap();
    let opened = SignSession::open(bound, order, seats, &share, keys, Vec::new(), &signing.identity);
    // Then
    assert_eq!(opened.unwrap_err().code(), "CHILD_KEY_DIFFERS");
}

#[tokio::test]
async fn attempt_in_which_a_peer_breaks_the_protocol_is_over_and_the_peer_is_named() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    // Given a second node that is hostile: its offer is good, its first message is not
    let request = v1::SignPrepareRequest {
        signers: vec!["node-1".to_owned(), "node-2".to_owned()],
        ..sign_prepare_request(&cell, cell.size(), withdrawal, [10; 32], &[])
    };
    let opening = nodes[0].api().sign_prepare(Request::new(request)).await.unwrap().into_inner();
    let context = SignedOffer::from_bytes(&opening.offer).unwrap().claim().context.clone();
    let party = |index| holdfast_threshold::PartyIndex::new(index).unwrap();
    let secret = EphemeralSecret::generate(&mut OsRng);
    let offer = EphemeralOffer { context, party: party(2), key: secret.public_key() };
    let offer = offer.sign(&ed25519("message-2"));
    let offers = vec![opening.offer, offer.as_bytes().to_vec()];
    let permit = cell.state().authorized_withdrawal(&withdrawal, 0, TimestampMs(cell.now)).unwrap();
    let keys = Committee::new(permit.nodes()).message_keys(cell.state().roster()).unwrap();
    let mut channel = ChannelSet::establish(&secret, &offer, &offers, &keys).unwrap();
    let nonsense = BTreeMap::from([(party(1), Plaintext::new(b"nonsense".to_vec()))]);
    let sealed = channel.seal_round(Round(1), &nonsense).unwrap().remove(0).bytes;
    let (session, signing) = (SessionId([10; 32]), &nodes[0].node.signing);
    signing.round(session, Round(1), offers).await.unwrap();
    // When the message comes
    let refusal = signing.round(session, Round(2), vec![sealed.clone()]).await.unwrap_err();
    // Then the node says whose it was, and has forgotten the attempt
    let SignRefusal::Engine { culprit, .. } = &refusal else { panic!("{refusal}") };
    assert_eq!(culprit.as_ref().map(NodeId::as_str), Some("node-2"));
    let again = signing.round(session, Round(2), vec![sealed]).await.unwrap_err();
    assert_eq!(again.code(), "SESSION_UNKNOWN");
    assert_eq!(signing.sessions.count(), 0);
}
