//! Resumes that were kept back until they had expired: what makes them good, and what does not.

use holdfast_ledger::StatementBody;
use holdfast_log::Envelope;

use super::*;
use crate::testing::{Cell, ready, reason, sign, signed_statement};
use crate::witnessed::attacks::LATE_MS;

#[tokio::test]
async fn resume_kept_back_until_it_expired_lifts_nothing_here_until_there_is_a_newer_one() {
    let (mut cell, nodes) = ready().await;
    let paused_and_resumed = |cell: &mut Cell| {
        cell.now += 1;
        let pause = cell.pause("alice");
        cell.accept(&pause);
        let wallet = "hot-1".parse().unwrap();
        cell.approve(StatementBody::ProposeResume {
            wallet,
            lifts: vec![StatementDigest::of(&pause.payload)],
        });
    };
    paused_and_resumed(&mut cell);
    cell.now += LATE_MS;
    let withdrawal = cell.authorized("k-1", 0);
    let pair = [&nodes[0], &nodes[1]];
    let late = sign(&cell, &pair, withdrawal, [9; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");
    paused_and_resumed(&mut cell);
    sign(&cell, &pair, withdrawal, [10; 32]).await.unwrap();
}

/// Proposes to lift these pauses, the proposal valid for so long.
fn proposes_resume(cell: &mut Cell, pauses: &[&Envelope], valid_ms: u64) -> CeremonyId {
    let lifts = pauses.iter().map(|pause| StatementDigest::of(&pause.payload)).collect();
    let body = StatementBody::ProposeResume { wallet: "hot-1".parse().unwrap(), lifts };
    let text = String::from_utf8(cell.statement("alice", body).payload).unwrap();
    let expires = |ms: u64| TimestampMs(ms).to_string();
    let valid = text.replace(&expires(cell.now + 3_600_000), &expires(cell.now + valid_ms));
    assert!(valid_ms == 3_600_000 || valid != text, "{text}");
    cell.accept(&signed_statement("alice", &valid)).ceremony.unwrap()
}

fn approves(cell: &mut Cell, ceremony: CeremonyId) {
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveCeremony(ceremony));
        cell.accept(&approval);
    }
}

#[tokio::test]
async fn late_resume_is_not_made_good_by_one_in_time_that_was_proposed_before_it() {
    let (mut cell, nodes) = ready().await;
    // Given two pauses, and a resume of the first that is valid for long
    let (first, second) = (cell.pause("alice"), cell.pause("bob"));
    cell.accept(&first);
    let of_first = proposes_resume(&mut cell, &[&first], 6 * 3_600_000);
    cell.accept(&second);
    // And one of both that officers wanted for an hour, which the coordinator kept back
    let of_both = proposes_resume(&mut cell, &[&first, &second], 3_600_000);
    approves(&mut cell, of_both);
    cell.now += LATE_MS;
    let withdrawal = cell.authorized("k-1", 0);
    for node in &nodes {
        node.catch_up(&cell).await;
    }
    // When the officers lift the first one only
    approves(&mut cell, of_first);
    let newest = cell.state().resumes(&"hot-1".parse().unwrap()).last().unwrap().id;
    assert_eq!(newest, of_first);
    // Then the second one's late resume still lifts nothing here
    let pair = [&nodes[0], &nodes[1]];
    let late = sign(&cell, &pair, withdrawal, [9; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");
    // Until officers who see the log as it is lift a newer one
    cell.now += 1;
    let third = cell.pause("alice");
    cell.accept(&third);
    let of_third = proposes_resume(&mut cell, &[&third], 3_600_000);
    approves(&mut cell, of_third);
    sign(&cell, &pair, withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn late_resume_of_a_pause_that_only_nodes_have_is_made_good_by_one_that_names_it_only() {
    let (mut cell, nodes) = ready().await;
    // Given a late resume of a pause that never reaches the log
    let delivered = cell.pause("bob");
    let of_delivered = proposes_resume(&mut cell, &[&delivered], 3_600_000);
    approves(&mut cell, of_delivered);
    cell.now += LATE_MS;
    let withdrawal = cell.authorized("k-1", 0);
    for node in &nodes {
        node.catch_up(&cell).await;
    }
    // When another pause is lifted in time
    let pause = cell.pause("alice");
    cell.accept(&pause);
    let of_logged = proposes_resume(&mut cell, &[&pause], 3_600_000);
    approves(&mut cell, of_logged);
    // Then nobody said in time that the first may go
    let pair = [&nodes[0], &nodes[1]];
    let late = sign(&cell, &pair, withdrawal, [9; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");
    let again = proposes_resume(&mut cell, &[&delivered], 3_600_000);
    approves(&mut cell, again);
    sign(&cell, &pair, withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn late_resume_is_not_made_good_by_one_of_a_pause_that_only_nodes_have() {
    let (mut cell, nodes) = ready().await;
    // Given a late resume of a pause in the log
    let pause = cell.pause("alice");
    cell.accept(&pause);
    let of_logged = proposes_resume(&mut cell, &[&pause], 3_600_000);
    approves(&mut cell, of_logged);
    cell.now += LATE_MS;
    let withdrawal = cell.authorized("k-1", 0);
    for node in &nodes {
        node.catch_up(&cell).await;
    }
    // When officers lift in time what only nodes have, which shows nobody what the log has
    let delivered = cell.pause("bob");
    let of_delivered = proposes_resume(&mut cell, &[&delivered], 3_600_000);
    approves(&mut cell, of_delivered);
    // Then nobody said in time that the first may go
    let pair = [&nodes[0], &nodes[1]];
    let late = sign(&cell, &pair, withdrawal, [9; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");
}
