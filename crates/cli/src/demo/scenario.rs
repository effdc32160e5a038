//! The scenario, step by step. Every step says what it expects, and checks it.

mod acts;

use std::time::Duration;

use holdfast_audit::{Audit, explain};
use holdfast_chains::Address;
use holdfast_ledger::{WithdrawalId, fingerprint};
use holdfast_policy::{CustomerRef, WalletId};
use holdfast_proto::v1;
use holdfast_transport::Role;
use serde_json::json;

use super::expect;
use super::receipt_file;
use super::story::Story;
use crate::audit;
use crate::fact::{self, Reporter, SessionDetailFacts, SessionFact};
use crate::failure::Failure;
use crate::files;
use crate::init::DemoCell;
use crate::officer::{self, PauseArgs};
use crate::receipt::{Asked, KeySource};
use crate::replica;
use crate::session::Session;
use crate::wire;
use crate::withdraw::{self, ApproveArgs};
use acts::{Acts, THIEF};

/// Who is paid.
pub(super) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
/// Whose whitelist entry runs out.
const FORMER_PAYEE: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
const WALLET: &str = "hot-1";
const CUSTOMER: &str = "customer-7f3a";
const PATIENCE: Duration = Duration::from_secs(90);
/// Long enough for its ceremony, short enough to watch it run out.
const SHORT_LIFE: Duration = Duration::from_secs(8);

/// Plays the whole scenario.
pub(super) async fn play(story: &Story, session: &Session, cell: &DemoCell) -> Result<(), Failure> {
    let acts = Acts::new(story, session)?;
    create_wallet(story, session, &acts).await?;
    prepare(story, session, &acts).await?;
    let automatic = automatic_withdrawal(story, session, cell, &acts).await?;
    refuse_expired(story, &acts).await?;
    refuse_sanctioned(story, session, &acts).await?;
    refuse_swapped_calldata(story, &acts).await?;
    held_withdrawal(story, &acts).await?;
    pause_at_the_nodes(story, session, &acts).await?;
    verify_offline(story, session, cell, &automatic).await
}

async fn create_wallet(story: &Story, session: &Session, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading(
        "Officers create wallet hot-1: two of them approve, three nodes generate one key that nobody holds",
    );
    story.say("What alice signs is generated here, from a log that was downloaded, verified and replayed on her machine:");
    let ceremony = acts.propose_wallet(WALLET).await?;
    acts.approve("alice", &ceremony, false).await?;
    acts.approve("bob", &ceremony, true).await?;
    let finished = Box::pin(acts.follow(&ceremony)).await?;
    expect::that(
        finished.phase() == v1::CeremonyPhase::Activated,
        format!("ceremony {ceremony} is {} instead of activated", wire::phase_name(&finished)),
    )?;
    let wallet_id = wallet_id()?;
    let missing = "the activated wallet is not in the log";
    let replica =
        replica::download_until(session, missing, |state| state.wallet(&wallet_id).is_some()).await?;
    let wallet = crate::wallet::find(replica.state(), &wallet_id)?;
    story.say(&format!(
        "  All three nodes confirmed the same public key and restored their backups.\n  address     {}\n  public key  {}",
        wallet.address, wallet.public_key
    ));
    story.note(json!({"wallet": WALLET, "address": wallet.address, "public_key": wallet.public_key}));
    Ok(())
}

async fn prepare(story: &Story, session: &Session, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading("Officers whitelist a destination, and a provider reports on the customer's session");
    let entry = acts.whitelist(PAYEE, Duration::from_secs(30 * 24 * 60 * 60), true).await?;
    story.say(&format!("  {PAYEE} may be paid for 30 days (entry {entry})."));
    let report = SessionFact {
        customer: customer()?,
        new_device: false,
        second_factor_reset: false,
        details: SessionDetailFacts::default(),
        reporter: Reporter::default(),
    };
    let answer = fact::report(session, &report).await?;
    story.say(&format!("  {}: known device, no reset of the second factor.", answer.text));
    Ok(())
}

async fn automatic_withdrawal(
    story: &Story,
    session: &Session,
    cell: &DemoCell,
    acts: &Acts<'_>,
) -> Result<WithdrawalId, Failure> {
    story.heading("The pipeline withdraws 1,250 USDT: within policy, signed by two of the three nodes");
    let request = acts.request("1250 USDT", PAYEE, PAYEE, 0)?;
    let withdrawal = acts.submit(&request).await?;
    expect::state(&withdrawal, v1::WithdrawalState::Signed)?;
    let verified = withdraw::verify_signed(session, &Asked::submitted(&request), &withdrawal)?
        .ok_or_else(|| Failure::verification("RECEIPT_INVALID", "there is no receipt"))?;
    expect::that(verified.request == request, "the receipt is for another intent")?;
    expect::that(verified.key_source == KeySource::Replayed, "the wallet's key was not known here")?;
    if let Some(decision) = &withdrawal.decision {
        story.say("Every node evaluated the policy by itself, against the bytes it signs:");
        story.say(&withdraw::decision_lines(decision));
    }
    let cosigners: Vec<_> =
        verified.inclusion.cosignatures.iter().filter_map(|c| c.name.as_str().rsplit('/').next()).collect();
    story.say(&format!(
        "Signed. Checked on this machine, nothing of it believed:\n  raw transaction   {}\n  recovered sender  {}\n  proof             entry {} of a log of {} entries, checkpoint cosigned by {}",
        verified.signed.raw_hex(),
        verified.signed.sender(),
        verified.inclusion.index,
        verified.inclusion.checkpoint.size,
        cosigners.join(" and "),
    ));
    let path = cell.directory.join("receipt.json");
    receipt_file::write(&path, &withdrawal, &verified)?;
    story.say(&format!("  written to        {}", path.display()));
    story.note(json!({"signed": withdrawal.id, "raw_transaction": verified.signed.raw_hex(),
        "sender": verified.signed.sender()}));
    acts.id(&withdrawal)
}

async fn refuse_expired(story: &Story, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading("Refused: the same to an address whose whitelist entry has expired");
    let entry = acts.whitelist(FORMER_PAYEE, SHORT_LIFE, true).await?;
    story.say(&format!(
        "  {FORMER_PAYEE} may be paid for {} seconds (entry {entry}). Waiting.",
        SHORT_LIFE.as_secs()
    ));
    tokio::time::sleep(SHORT_LIFE).await;
    let withdrawal = acts.submit(&acts.request("1250 USDT", FORMER_PAYEE, FORMER_PAYEE, 1)?).await?;
    acts.expect_denied(&withdrawal, "WHITELIST_ENTRY_EXPIRED")
}

async fn refuse_sanctioned(story: &Story, session: &Session, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading("Refused: a sanctioned address, although two officers whitelisted it");
    let sanctioned = sanctioned(session)?.to_string();
    acts.whitelist(&sanctioned, Duration::from_secs(60 * 60), true).await?;
    let withdrawal = acts.submit(&acts.request("1250 USDT", &sanctioned, &sanctioned, 1)?).await?;
    acts.expect_denied(&withdrawal, "DESTINATION_SANCTIONED")
}

async fn refuse_swapped_calldata(story: &Story, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading("Refused: a transaction whose calldata pays someone other than the intent says");
    let failure = match acts.submit(&acts.request("1250 USDT", PAYEE, THIEF, 1)?).await {
        Err(failure) => failure,
        Ok(withdrawal) => {
            return expect::that(false, format!("withdrawal {} was accepted", withdrawal.id));
        }
    };
    expect::that(failure.reason() == "TRANSACTION_DESTINATION_MISMATCH", failure.to_string())?;
    story.refused("1,250 USDT, intent and calldata disagree", failure.reason(), failure.message());
    Ok(())
}

async fn held_withdrawal(story: &Story, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading("Held: 20,000 USDT is above the automatic limit; two officers approve; signed");
    let request = acts.request("20000 USDT", PAYEE, PAYEE, 1)?;
    let withdrawal = acts.submit(&request).await?;
    expect::state(&withdrawal, v1::WithdrawalState::Held)?;
    let reason = withdrawal.reason.as_ref().map(|reason| (reason.code.as_str(), reason.sentence.as_str()));
    let (code, sentence) = reason.unwrap_or_default();
    story.say(&format!("  HELD     20,000 USDT\n           {code}: {sentence}"));
    story.note(json!({"held": withdrawal.id, "reason": code}));
    let id = acts.id(&withdrawal)?;
    for (officer, brief) in [("alice", false), ("bob", true)] {
        let signing = acts.signing(officer, brief).into();
        withdraw::approve(acts.session, &ApproveArgs { id, signing }).await?;
    }
    let asked = Asked::submitted(&request);
    let approved = acts.fetch(&id).await?;
    let signed = withdraw::follow(acts.session, &acts.client, &asked, approved, PATIENCE).await?;
    expect::state(&signed, v1::WithdrawalState::Signed)?;
    let verified = withdraw::verify_signed(acts.session, &asked, &signed)?;
    let raw = verified.map(|verified| verified.signed.raw_hex()).unwrap_or_default();
    story.say(&format!("  SIGNED   {raw}"));
    story.note(json!({"signed": signed.id, "raw_transaction": raw}));
    Ok(())
}

async fn pause_at_the_nodes(story: &Story, session: &Session, acts: &Acts<'_>) -> Result<(), Failure> {
    story.heading("An officer pauses the wallet at the nodes themselves, without the coordinator");
    let allowed = acts.submit(&acts.request_without_transaction("1250 USDT", PAYEE)?).await?;
    expect::state(&allowed, v1::WithdrawalState::Allowed)?;
    story.say(
        "  An order of 1,250 USDT is allowed and waits for its transaction. Now carol pauses the wallet:",
    );
    let pause = PauseArgs {
        wallet: wallet_id()?,
        nodes: Vec::new(),
        address: None,
        signing: acts.signing("carol", false),
    };
    let answer = officer::pause(session, &pause).await?;
    story.say(&answer.text);
    expect::that(
        answer.json.pointer("/level/binding_against_hostile_nodes") == Some(&json!(true)),
        "not all nodes gave a receipt",
    )?;
    story.note(answer.json);
    let id = acts.id(&allowed)?;
    acts.expect_refused_by_the_nodes(&id).await
}

async fn verify_offline(
    story: &Story,
    session: &Session,
    cell: &DemoCell,
    automatic: &WithdrawalId,
) -> Result<(), Failure> {
    story.heading("An auditor exports the log and verifies it offline, from the genesis hash alone");
    let directory = cell.directory.join("log");
    audit::export_to(session, &directory, Vec::new()).await?;
    let verified = audit::verify_export(&directory, &session.profile.genesis_sha256, Audit::default())?;
    let report = verified.report();
    story.say(&audit::report_text(report));
    expect::that(
        report.withdrawals.get("SIGNED") == Some(&2),
        "the log does not hold two signed withdrawals",
    )?;
    let explanation = explain(verified.history(), automatic).ok_or_else(|| {
        Failure::verification("UNKNOWN_WITHDRAWAL", "the export lacks the first withdrawal")
    })?;
    let path = cell.directory.join("explanation.txt");
    let page = explanation.to_string();
    files::write(&path, page.as_bytes())?;
    story.say(&format!(
        "  Every decision was derived again. The first withdrawal, explained: {} ({})",
        path.display(),
        fingerprint(page.as_bytes())
    ));
    story.note(json!({"verified": report}));
    Ok(())
}

/// The first Ethereum address of the genesis' screening list.
fn sanctioned(session: &Session) -> Result<Address, Failure> {
    let lists = &session.genesis.screening;
    let first = lists.iter().flat_map(|list| list.addresses()).next();
    first.copied().ok_or_else(|| Failure::other("INTERNAL", "the genesis has no screening list"))
}

fn wallet_id() -> Result<WalletId, Failure> {
    WalletId::new(WALLET).map_err(|error| Failure::other("INTERNAL", error.to_string()))
}

fn customer() -> Result<CustomerRef, Failure> {
    CustomerRef::new(CUSTOMER).map_err(|error| Failure::other("INTERNAL", error.to_string()))
}

/// Role of those who ask.
const CLIENT: Role = Role::Client;
