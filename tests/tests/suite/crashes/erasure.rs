//! A node that dies while it erases old shares: it has both or the new one, never neither, and it ends what it began.

use super::*;

#[tokio::test]
async fn a_node_killed_while_it_erases_old_shares_ends_it_and_signs_with_the_new_one() {
    let cluster = Cluster::ready(Options::default()).await;
    let address = cluster.terminal().ok(&format!("wallet show {WALLET}"))["address"].clone();
    for (epoch, point) in (1..).zip(ERASURE) {
        // Given a node that dies when the log has replaced its share
        cluster.kill_9("node-2");
        cluster.start_crashing("node-2", point.name());
        cluster.wait_healthy("node-2").await;
        let ceremony = cluster.start_migration(WALLET, "--to dkls23");
        assert_eq!(cluster.ends_by_itself("node-2", PATIENCE).await.signal(), Some(9), "{point}");
        cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
        // When it is back, then the old share and its backup go, here and everywhere, and all say so
        cluster.bring_up("node-2").await;
        for node in ["node-1", "node-2", "node-3"] {
            cluster.keeps_only(node, WALLET, epoch).await;
        }
        cluster.all_say_erased(WALLET, epoch).await;
        // And its new share signs, from the same address
        cluster.kill_9("node-3");
        let paid = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
        assert_eq!(paid.state(), State::Signed, "{point}: {:?}", paid.reason);
        cluster.bring_up("node-3").await;
        let shown = cluster.terminal().ok(&format!("wallet show {WALLET}"));
        assert_eq!((&shown["address"], shown["epoch"].as_u64()), (&address, Some(epoch)), "{point}");
    }
}
