//! Which threshold engines this program has, and which of them its operator must accept.
//!
//! Owns the one place where a node names engines: everything else works on whatever share or ceremony it is given. It must
//! never let an unmaintained protocol into a running node that was not configured to have it.

use holdfast_threshold::{DKLS23, Engine, Engines};

/// Engines whose implementation nobody maintains, in this program.
#[cfg(feature = "gg20")]
const UNMAINTAINED: &[&dyn Engine] = &[&holdfast_gg20::GG20];
#[cfg(not(feature = "gg20"))]
const UNMAINTAINED: &[&dyn Engine] = &[];

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[error(
    "this program was built with the engine `{engine}`, whose protocol nobody maintains and against which attacks are \
     published: use a program without it, or set `accept_unmaintained_protocol = true`"
)]
pub(crate) struct NotAccepted {
    engine: &'static str,
}

/// The engines of a node that was configured like this.
///
/// # Errors
/// [`NotAccepted`] if one of them needs to be accepted and was not.
// INVARIANT (G9): a program that merely was built with an unmaintained engine does not run.
pub(crate) fn engines(accept_unmaintained: bool) -> Result<Engines, NotAccepted> {
    if let Some(engine) = UNMAINTAINED.first().filter(|_| !accept_unmaintained) {
        return Err(NotAccepted { engine: engine.id().name() });
    }
    for engine in UNMAINTAINED {
        tracing::warn!(
            engine = engine.id().name(),
            "this program has an engine whose protocol nobody maintains and against which attacks are published: move its \
             wallets to another engine"
        );
    }
    let maintained: &dyn Engine = &DKLS23;
    Ok(Engines::new([maintained].into_iter().chain(UNMAINTAINED.iter().copied())))
}

/// Names of the engines that the log and the status warn of.
pub(crate) fn unmaintained(engines: &Engines) -> Vec<String> {
    let warned = UNMAINTAINED.iter().map(|engine| engine.id());
    warned.filter(|id| engines.engine(*id).is_some()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "gg20")]
    use crate::testing::{Attempt, Cell, TestNode, create_wallet_on, migrate};
    #[cfg(feature = "gg20")]
    use holdfast_chains::Signature;
    use holdfast_proto::limits::SESSION_ROUNDS;
    #[cfg(feature = "gg20")]
    use holdfast_proto::v1;
    use holdfast_threshold::MAX_ROUNDS;
    use holdfast_threshold::channel::Purpose;

    #[test]
    fn no_engine_has_more_rounds_than_the_wire_can_say() {
        assert_eq!(u32::from(MAX_ROUNDS.0), SESSION_ROUNDS);
        let engines = engines(true).unwrap();
        for engine in engines.ids().filter_map(|id| engines.engine(id)) {
            for purpose in [Purpose::Keygen, Purpose::Sign] {
                let last = u32::from(engine.last_round(purpose).0);
                assert!((2..=SESSION_ROUNDS).contains(&last), "{engine:?}");
            }
            // None if it takes no keys over.
            let last = u32::from(engine.last_round(Purpose::Reshare).0);
            assert!(last == 0 || (2..=SESSION_ROUNDS).contains(&last), "{engine:?}");
        }
    }

    #[cfg(not(feature = "gg20"))]
    #[test]
    fn default_program_has_one_engine_and_nothing_to_accept() {
        for accept in [false, true] {
            let engines = engines(accept).unwrap();
            assert_eq!(engines.ids().collect::<Vec<_>>(), [DKLS23.id()]);
            assert_eq!(unmaintained(&engines), Vec::<String>::new());
        }
    }

    #[cfg(feature = "gg20")]
    #[test]
    fn unmaintained_engine_keeps_a_node_from_starting_until_it_is_accepted() {
        let refused = engines(false).unwrap_err().to_string();
        assert!(refused.contains("`gg20-ecdsa-secp256k1/0.8`"), "{refused}");
        assert!(refused.contains("accept_unmaintained_protocol = true"), "{refused}");
        let engines = engines(true).unwrap();
        assert_eq!(engines.ids().count(), 2);
        assert_eq!(unmaintained(&engines), ["gg20-ecdsa-secp256k1/0.8"]);
    }

    /// The same nodes, guard, latches and sealed messages as for any wallet.
    #[cfg(feature = "gg20")]
    #[tokio::test]
    async fn wallet_on_the_unmaintained_engine_is_made_and_signs_through_the_same_nodes() {
        let mut cell = Cell::new();
        let nodes = TestNode::three(&cell).await;
        create_wallet_on(holdfast_gg20::GG20.id(), &mut cell, &nodes).await;
        cell.permit_payee();
        let withdrawal = cell.authorized("k-1", 0);
        let signers = [&nodes[0], &nodes[2]];
        let signatures =
            Attempt::prepare(&cell, &signers, withdrawal, [9; 32]).await.unwrap().run().await.unwrap();
        assert_eq!(signatures.len(), 2);
        let wallet = cell.state().wallet(&"hot-1".parse().unwrap()).unwrap().clone();
        assert_eq!(wallet.engine, "gg20-ecdsa-secp256k1/0.8");
        let digest = cell.state().withdrawal(&withdrawal).unwrap().authorization.as_ref().unwrap().digests[0];
        for v1::EcdsaSignature { r, s } in signatures {
            let (r, s) = (r.try_into().unwrap(), s.try_into().unwrap());
            Signature::from_scalars(r, s, &digest, &wallet.public_key).unwrap();
        }
    }

    /// The way out: the same address, another engine, and nothing of the old one left.
    #[cfg(feature = "gg20")]
    #[tokio::test]
    async fn wallet_on_the_unmaintained_engine_moves_to_the_default_one_and_signs_from_the_same_address() {
        let mut cell = Cell::new();
        let nodes = TestNode::three(&cell).await;
        create_wallet_on(holdfast_gg20::GG20.id(), &mut cell, &nodes).await;
        cell.permit_payee();
        let wallet = |cell: &Cell| cell.state().wallet(&"hot-1".parse().unwrap()).unwrap().clone();
        let before = wallet(&cell);
        migrate(&mut cell, &nodes).await;
        let after = wallet(&cell);
        assert_eq!((after.address, after.engine.as_str()), (before.address, "dkls23-ecdsa-secp256k1/0.6"));
        let withdrawal = cell.authorized("k-1", 0);
        let signers = [&nodes[1], &nodes[2]];
        let attempt = Attempt::prepare(&cell, &signers, withdrawal, [9; 32]).await.unwrap();
        let signatures = attempt.run().await.unwrap();
        let digest = cell.state().withdrawal(&withdrawal).unwrap().authorization.as_ref().unwrap().digests[0];
        for v1::EcdsaSignature { r, s } in signatures {
            let (r, s) = (r.try_into().unwrap(), s.try_into().unwrap());
            Signature::from_scalars(r, s, &digest, &before.public_key).unwrap();
        }
    }
}
