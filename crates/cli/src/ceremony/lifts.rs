//! Before a resume is approved: what it lifts that only nodes know, shown and judged from the statements themselves.
//!
//! INVARIANT (G4): a hash says nothing to whoever approves it. A pause that a serving officer handed to nodes is lifted only after
//! the log has it: otherwise a coordinator that withholds it could have it lifted unread.

use holdfast_ledger::{
    Act, Ceremony, CeremonyKind, State, StatementBody, StatementDigest, fingerprint, verify_act,
};
use holdfast_log::Envelope;
use holdfast_policy::WalletId;
use holdfast_proto::v1;
use holdfast_proto::v1::officer_service_client::OfficerServiceClient;

use crate::failure::{Exit, Failure};
use crate::profile::{Server, Who};
use crate::session::Session;
use crate::statement::indent;

/// How much of a node's list is read.
const MAX_PAGES: usize = 256;

/// Whether an officer may approve this ceremony, if it is a resume.
pub(super) async fn check(
    session: &Session,
    who: &Who,
    state: &State,
    ceremony: &Ceremony,
) -> Result<(), Failure> {
    let CeremonyKind::ResumeWallet { wallet, lifts } = &ceremony.kind else { return Ok(()) };
    if lifts.iter().all(|lift| state.statement_acted(lift)) {
        return Ok(());
    }
    let mut delivered = Vec::new();
    for server in &session.profile.file.nodes {
        match statements(session, who, server).await {
            Ok(envelopes) => delivered.extend(envelopes),
            Err(failure) => {
                session.output.notice(&format!("warning: {}: {}", server.name, failure.message()))
            }
        }
    }
    for text in judge(state, wallet, lifts, &delivered)? {
        session.output.line(&text);
    }
    Ok(())
}

async fn statements(session: &Session, who: &Who, server: &Server) -> Result<Vec<Vec<u8>>, Failure> {
    let mut client = OfficerServiceClient::new(session.node(who, server).await?);
    let (mut page_token, mut found) = (String::new(), Vec::new());
    for _ in 0..MAX_PAGES {
        let page = client.statements(v1::StatementsRequest { page_size: 0, page_token }).await?.into_inner();
        found.extend(page.statements.into_iter().map(|delivered| delivered.envelope));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// The texts of the pauses that are not in the log, to be shown; refused if one of them may not be lifted unlogged.
fn judge(
    state: &State,
    wallet: &WalletId,
    lifts: &[StatementDigest],
    delivered: &[Vec<u8>],
) -> Result<Vec<String>, Failure> {
    let unlogged = lifts.iter().filter(|lift| !state.statement_acted(lift));
    unlogged.map(|lift| shown(state, wallet, lift, delivered)).collect()
}

fn shown(
    state: &State,
    wallet: &WalletId,
    lift: &StatementDigest,
    delivered: &[Vec<u8>],
) -> Result<String, Failure> {
    let refuse =
        |code: &str, message: String, next: &str| Err(Failure::new(Exit::Refused, code, message).next(next));
    let parsed = delivered.iter().filter_map(|envelope| Envelope::parse(envelope).ok());
    let act = parsed
        .filter(|envelope| StatementDigest::of(&envelope.payload) == *lift)
        .find_map(|envelope| state.rosters().rev().find_map(|roster| verify_act(roster, &envelope).ok()));
    let Some(Ok(Act::Statement { statement, text, .. })) = act.as_ref().map(|act| act.act()) else {
        let message =
            format!("the resume lifts {lift}, which is neither in the log nor at any node that answers");
        return refuse("UNKNOWN_STATEMENT", message, "do not approve it: ask its proposer what it is");
    };
    if statement.body != StatementBody::PauseWallet(wallet.clone()) {
        let message = format!("the resume lifts {lift}, which is no pause of `{wallet}`");
        return refuse("STATEMENT_MISMATCH", message, "do not approve it: ask its proposer what it is");
    }
    let officer = &statement.officer;
    if state.roster().officer(officer).is_some() {
        let message = format!("the resume lifts a pause by `{officer}` that the log does not have");
        return refuse(
            "STATEMENT_NOT_LOGGED",
            message,
            "do not approve it: that officer is in the roster, so the coordinator has to log the pause first; if it does not, it withholds it",
        );
    }
    let words = fingerprint(text.as_bytes());
    Ok(format!(
        "lifts a pause that only nodes have, by an officer who left:\n{}\n  four words: {words}",
        indent(text)
    ))
}

#[cfg(test)]
mod tests {
    use holdfast_ledger::{RosterChange, RosterProposal};

    use super::*;
    use crate::testing::TestCell;

    fn judged(cell: &TestCell, lift: StatementDigest, delivered: &[Vec<u8>]) -> Result<Vec<String>, String> {
        let wallet = "hot-1".parse().unwrap();
        judge(cell.state(), &wallet, &[lift], delivered).map_err(|failure| failure.reason().to_owned())
    }

    #[test]
    fn approval_of_a_resume_that_names_a_withheld_pause_of_a_serving_officer_is_refused() {
        let mut cell = TestCell::ready();
        let pause = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
        let digest = StatementDigest::of(&pause.payload);
        let delivered = [pause.to_json()];
        assert_eq!(judged(&cell, digest, &delivered).unwrap_err(), "STATEMENT_NOT_LOGGED");
        // Nor one that nobody has, or that is about something else
        assert_eq!(judged(&cell, digest, &[]).unwrap_err(), "UNKNOWN_STATEMENT");
        let other = cell.statement("carol", StatementBody::RevokeClient("pipeline".parse().unwrap()));
        let about = StatementDigest::of(&other.payload);
        assert_eq!(judged(&cell, about, &[other.to_json()]).unwrap_err(), "STATEMENT_MISMATCH");
        let mut forged = pause.clone();
        forged.signatures[0].signature.reverse();
        assert_eq!(judged(&cell, digest, &[forged.to_json()]).unwrap_err(), "UNKNOWN_STATEMENT");
        // One of an officer who left is shown, and what is in the log needs no look at nodes
        let roster = cell.state().roster();
        let change = RosterChange::RemoveOfficer { name: "carol".parse().unwrap() };
        let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
        cell.approved(StatementBody::ProposeRosterChange(Box::new(proposal)));
        let texts = judged(&cell, digest, &delivered).unwrap();
        assert!(texts[0].contains("pause a wallet") && texts[0].contains("carol"), "{texts:?}");
    }

    #[test]
    fn pause_that_is_in_the_log_is_lifted_without_asking_nodes() {
        let mut cell = TestCell::ready();
        let pause = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
        cell.accept(&pause);
        assert_eq!(judged(&cell, StatementDigest::of(&pause.payload), &[]), Ok(Vec::new()));
    }
}
