//! What may happen: for each kind of act an envelope that random choices make, admissible in some states and refused in others.
//! It never looks at a replica, only at the cell that logs.

use holdfast_chains::{Address, Amount, ChainId};
use holdfast_log::{Envelope, EnvelopeSignature};
use holdfast_policy::{ContactId, LegalOrderId, OfficerId, ProviderId, TimestampMs, WalletId};
use serde_json::{Value, json};

use super::super::after::{self, gwei, sworn};
use super::super::authority::officer_key;
use super::super::cell::{
    Cell, PAYEE, confirmation_with, coordinator, erased, other_public, sign, signed_statement, ssh,
    usdt_transfer, wallet_signature,
};
use super::super::lists::Update;
use super::super::policies::uploading;
use super::calls::{asking_call, does};
use super::policy;
use crate::*;

/// Kinds of single entries; what takes several comes after them.
pub(super) const ACTS: u8 = 26;
pub(super) const CUSTOMERS: [&str; 3] = ["c-1", "c-2", "c-3"];
/// The second looks like the first.
const PLACES: [&str; 3] =
    [PAYEE, "0x8ba1000000000000000000000000000000000A72", "0x52908400098527886E0F7030069857D2E4169EE7"];
/// What a request pays from; the first one more often. They have one key, and so the same account nonces.
pub(super) const WALLETS: [&str; 3] = ["hot-1", "hot-2", "warm-1"];
const OFFICERS: [&str; 3] = ["alice", "bob", "carol"];
pub(super) const PROVIDERS: [&str; 10] =
    ["sessions", "devices", "market", "market-2", "chainwatch", "tracer", "kyc", "kyc-2", "vasp", "vasp-2"];
const LIST: &str = "ofac-eth";
const LISTED: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

pub(super) fn one<T: Copy>(of: &[T], choice: u8) -> T {
    of[usize::from(choice) % of.len()]
}

pub(super) fn place(choice: u8) -> Address {
    Address::parse_unchecked_case(one(&PLACES, choice)).unwrap()
}

pub(super) fn add_contact(name: &str) -> RosterChange {
    RosterChange::AddAgencyContact {
        name: name.parse().unwrap(),
        agency: "fiu".parse().unwrap(),
        key: officer_key(&format!("contact-{name}")),
    }
}

/// Everything that a withdrawal needs to be judged at all.
pub(super) fn report_everything(cell: &mut Cell) {
    for choice in 0..3 {
        for act in [5, 6, 7, 8] {
            let said = envelope(cell, act, [choice * 2, choice, 0]).unwrap();
            cell.accept(&said);
        }
    }
}

/// One entry, or the several of a ceremony.
pub(super) fn happen(cell: &mut Cell, act: u8, with: [u8; 3]) {
    let [a, b, _] = with;
    // Much of what happens is that somebody asks, and goes on with it.
    let act = match act % 64 {
        act @ 0..ACTS => act,
        26..=33 => 0,
        34..=38 => 2,
        39..=43 => 3,
        44 | 45 => 10,
        46 | 47 => 4,
        48 => 11,
        49 | 50 => 12,
        51 => 14,
        52 => {
            ceremony(cell, house_entry(cell, with));
            return;
        }
        53 => {
            update_list(cell, a);
            return;
        }
        54 | 55 | 58 => {
            change_policy(cell, a);
            return;
        }
        56 => {
            let lifted = StatementBody::ProposeScreeningLift {
                list: LIST.parse().unwrap(),
                addresses: vec![place(a)],
            };
            ceremony(cell, lifted);
            return;
        }
        57 => {
            confirm_order(cell, with);
            return;
        }
        59 | 60 => {
            resume(cell, a);
            return;
        }
        61 => {
            migrate(cell, with);
            return;
        }
        _ => {
            cell.now += u64::from(a) * u64::from(b % 40) * 8;
            return;
        }
    };
    if let Some(envelope) = envelope(cell, act, with) {
        cell.submit(&envelope);
    }
}

/// The entry of this act; `None` where there is nothing that it could be about.
pub(super) fn envelope(cell: &Cell, act: u8, with: [u8; 3]) -> Option<Envelope> {
    let [a, b, c] = with;
    match act {
        0 => Some(asking(cell, with)),
        1 => Some(binding(cell, unbound(cell).or_else(|| known(cell, a))?, b)),
        2 => {
            let bound = |open: &&Withdrawal| open.logged_state() == WithdrawalState::Bound;
            let ready = cell.state.open_withdrawals().find(bound).map(|ready| ready.id);
            let id = ready.filter(|_| b % 4 > 0).or_else(|| Some(known(cell, a)?.id))?;
            cell.withdrawal(id).transaction.as_ref().map(|_| cell.authorize(id))
        }
        3 => signing(cell, a),
        4 => said(cell, one(&OFFICERS, b), StatementBody::ApproveHold(known(cell, a)?.id)),
        5 => Some(session(cell, with)),
        6 => Some(account(cell, with)),
        7 => Some(price(cell, with)),
        8 => Some(exposure(cell, with)),
        9 => replacing(cell, with),
        10 => identity(cell, with),
        11 => Some(travel(cell, with)?),
        12 => confirming_entry(cell, with),
        13 => Some(asking_entry(cell, with)),
        14 => {
            let entry = cell.state.requested_entries().nth(usize::from(a % 8))?.id.clone();
            let payload = json!({"cluster": "demo-1", "client": "pipeline", "entry": entry});
            Some(sign(PayloadKind::WhitelistRevocation, &payload, "client", "pipeline"))
        }
        15 => {
            let entries = cell.state.whitelist().map(|entry| &entry.id);
            let asked = cell.state.requested_entries().map(|asked| &asked.id);
            let entry = entries.chain(asked).nth(usize::from(a % 16))?.clone();
            said(cell, one(&OFFICERS, b), StatementBody::RevokeWhitelistEntry(entry))
        }
        16 => said(cell, one(&OFFICERS, b), StatementBody::WithdrawApproval(known(cell, a)?.id)),
        17 => said(cell, one(&OFFICERS, b), StatementBody::RejectHold(known(cell, a)?.id)),
        18 => said(cell, one(&OFFICERS, c), StatementBody::OpenOrder(Box::new(order(cell, with)))),
        19 => said(cell, one(&OFFICERS, b), StatementBody::ApproveOrder(nth_order(cell, a)?)),
        20 => contact_confirms(cell, one(&["desk-1", "desk-2"], b), &nth_order(cell, a)?),
        21 => said(
            cell,
            one(&OFFICERS, b),
            StatementBody::AddToScreeningList { list: LIST.parse().unwrap(), address: place(a) },
        ),
        22 => {
            let unsigned = |open: &&Withdrawal| open.logged_state() == WithdrawalState::Authorized;
            let open = cell.state.open_withdrawals().find(unsigned).map(|open| open.id);
            Some(sworn(1 + b % 3, open.or_else(|| Some(authorized(cell, a)?.id))?))
        }
        23 => {
            let payload =
                json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": known(cell, a)?.id});
            Some(sign(PayloadKind::CancelWithdrawal, &payload, "client", "pipeline"))
        }
        24 if c % 16 == 0 => said(cell, one(&OFFICERS, b), StatementBody::PauseWallet(wallet(a))),
        24 => said(cell, "alice", resuming(cell, wallet(a))),
        _ => {
            let pending = cell.state.ceremonies().filter(|known| known.quorum_met.is_none());
            let id = pending.map(|known| known.id).nth(usize::from(a % 4))?;
            said(cell, one(&OFFICERS, b), StatementBody::ApproveCeremony(id))
        }
    }
}

/// What the coordinator might be asked beside what is in the log.
pub(super) fn probes(cell: &Cell) -> Vec<WithdrawalRequest> {
    let with = (0..3).flat_map(|a| [[a, a, a], [a, 9 + a, 40], [a, 13, 20 + a]]);
    let probe = |with| WithdrawalRequest::parse(&asking(cell, with).payload).unwrap();
    with.map(probe).collect()
}

fn hot() -> WalletId {
    "hot-1".parse().unwrap()
}

pub(super) fn wallet(choice: u8) -> WalletId {
    one(&WALLETS, choice).parse().unwrap()
}

/// Names every pause of a wallet, by whomever.
fn resuming(cell: &Cell, wallet: WalletId) -> StatementBody {
    let lifts = cell.state.wallet(&wallet).unwrap().pauses.iter().map(|pause| pause.statement).collect();
    StatementBody::ProposeResume { wallet, lifts }
}

/// One of the wallets that are paused goes on.
fn resume(cell: &mut Cell, choice: u8) {
    let paused: Vec<_> = cell.state.wallets().filter(|wallet| wallet.is_paused()).collect();
    let Some(paused) = paused.get(usize::from(choice) % paused.len().max(1)) else { return };
    let body = resuming(cell, paused.id.clone());
    ceremony(cell, body);
}

/// One of the withdrawals, the open ones more often.
fn known(cell: &Cell, choice: u8) -> Option<std::sync::Arc<Withdrawal>> {
    let all: Vec<_> = match choice % 3 {
        0 => cell.state.withdrawals().collect(),
        _ => cell.state.open_withdrawals().map(|open| std::sync::Arc::new(open.clone())).collect(),
    };
    let last = all.len().checked_sub(1)?;
    all.get(usize::from(choice / 3) % (last + 1)).cloned()
}

/// One that waits for its transaction.
fn unbound(cell: &Cell) -> Option<std::sync::Arc<Withdrawal>> {
    let open = cell.state.open_withdrawals().find(|open| open.transaction.is_none());
    open.map(|open| std::sync::Arc::new(open.clone()))
}

/// One of those that were authorized.
fn authorized(cell: &Cell, choice: u8) -> Option<std::sync::Arc<Withdrawal>> {
    let authorized: Vec<_> = cell.state.withdrawals().filter(|known| known.authorization.is_some()).collect();
    authorized.get(usize::from(choice) % authorized.len().max(1)).cloned()
}

/// A statement, if the log knows what it is about.
fn said(cell: &Cell, officer: &str, body: StatementBody) -> Option<Envelope> {
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: OfficerId::new(officer).unwrap(),
        issued_at: TimestampMs(cell.now),
        expires_at: (!body.is_protective()).then_some(TimestampMs(cell.now + 40_000)),
        note: String::new(),
        body,
    };
    Some(signed_statement(officer, &cell.state.statement_text(&statement).ok()?))
}

fn asking(cell: &Cell, [a, b, c]: [u8; 3]) -> Envelope {
    if b % 5 == 4 {
        return asking_call(cell, [a, b, c]);
    }
    let usdt = one(&[100, 100, 300, 500, 650, 950, 1_500, 4_000, 9_000, 30_000_u128], b / 3);
    let (to, from) = (place(c), one(&[0, 0, 1, 2, 1], a / 24));
    let mut request = json!({"cluster": "demo-1", "client": "pipeline", "wallet": wallet(from), "asset": "USDT", "chain_id": 1,
        "amount": (usdt * 1_000_000).to_string(), "destination": to, "fee_cap": after::CAP,
        "customer": one(&CUSTOMERS, b), "idempotency_key": format!("k-{}", a % 24),
        "created_at_ms": cell.now, "expires_at_ms": cell.now + 200_000});
    if !c.is_multiple_of(5) {
        let transaction = usdt_transfer(&to.to_string(), usdt, u64::from(a % 24 / 2));
        request["transaction"] = json!(transaction.to_hex());
    }
    let demanded = cell.state.legal_orders().find(|order| order.proposal.demand.name() == "release");
    if let Some(order) = demanded.filter(|_| c % 7 == 1) {
        request["order"] = json!(order.id);
    }
    sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline")
}

fn binding(cell: &Cell, known: std::sync::Arc<Withdrawal>, nonce: u8) -> Envelope {
    let transaction = does(&known.request, u64::from(nonce % 12), gwei(30, 1));
    let payload = json!({"cluster": cell.state.cluster(), "client": "pipeline", "withdrawal": known.id,
        "transaction": transaction.to_hex()});
    sign(PayloadKind::BindTransaction, &payload, "client", "pipeline")
}

fn signing(cell: &Cell, choice: u8) -> Option<Envelope> {
    let unsigned = |open: &&Withdrawal| open.logged_state() == WithdrawalState::Authorized;
    let open: Vec<_> = cell.state.open_withdrawals().filter(unsigned).collect();
    let signed = match open.is_empty() {
        true => (*known(cell, choice)?).clone(),
        false => open[usize::from(choice) % open.len()].clone(),
    };
    let digest = signed.authorization.as_ref()?.digests[0];
    let payload = json!({"cluster": "demo-1", "withdrawal": signed.id, "digest_index": 0,
        "signature": wallet_signature(&digest), "signers": ["node-1", "node-2"]});
    Some(coordinator(PayloadKind::SignatureLogged, &payload))
}

fn replacing(cell: &Cell, [a, b, c]: [u8; 3]) -> Option<Envelope> {
    let known = authorized(cell, a)?;
    let (nonce, price) =
        (known.transaction.as_ref()?.effects.nonce, gwei(40 + u128::from(b), 2 + u128::from(b)));
    let (action, transaction) = match c % 3 {
        0 => ("cancel-on-chain", after::pays(None, &after::own_address(), 0, nonce, price)),
        _ => ("bump-fee", does(&known.request, nonce, price)),
    };
    let request = cell.replacement(&format!("k-{}", b % 32), known.id, action, &transaction);
    Some(after::by_pipeline(PayloadKind::ReplacementRequest, &request))
}

/// A provider's report with its next sequence number, or now and then another one.
fn report(cell: &Cell, kind: PayloadKind, provider: &str, [a, _, c]: [u8; 3], mut body: Value) -> Envelope {
    let next = cell.state.next_sequence(&ProviderId::new(provider).unwrap());
    body["cluster"] = json!("demo-1");
    body["provider"] = json!(provider);
    body["sequence"] = json!(if a == 250 { next + 1 } else { next });
    // Some look late, and a few clocks are ahead.
    let ahead = if c % 16 == 15 { 3_000 } else { 0 };
    body["observed_at_ms"] = json!(cell.now + ahead - u64::from(c / 16) * 2_000);
    sign(kind, &body, "provider", provider)
}

fn session(cell: &Cell, with: [u8; 3]) -> Envelope {
    let [a, b, c] = with;
    let moment = |choice: u8| match choice % 3 {
        0 => Value::Null,
        1 => json!("not_lately"),
        _ => json!({"at": cell.now - u64::from(choice) * 10_000}),
    };
    let mut details = json!({"device": format!("d-{}", b % 5), "country_changed": b % 7 == 0,
        "network": one(&["ordinary", "ordinary", "hosting", "vpn", "tor"], b / 5)});
    for (name, choice) in [("password_reset_at", a), ("email_changed_at", b), ("api_key_made_at", c)] {
        if !moment(choice).is_null() {
            details[name] = moment(choice);
        }
    }
    let body = json!({"customer": one(&CUSTOMERS, b), "new_device": a % 11 == 7, "second_factor_reset": a % 13 == 8,
        "details": details});
    report(
        cell,
        PayloadKind::SessionReport,
        one(&["sessions", "devices", "sessions", "market"], a),
        with,
        body,
    )
}

fn account(cell: &Cell, with: [u8; 3]) -> Envelope {
    const DAY: u64 = 86_400_000;
    let [a, b, c] = with;
    let observed = cell.now - 60_000;
    let body = json!({"customer": one(&CUSTOMERS, b), "opened_at_ms": observed - u64::from(a % 100) * DAY - 10 * DAY,
        "last_active_at_ms": (c % 2 == 0).then(|| observed - u64::from(a % 10) * DAY)});
    report(
        cell,
        PayloadKind::CustomerReport,
        one(&["sessions", "sessions", "sessions", "tracer"], a),
        with,
        body,
    )
}

fn price(cell: &Cell, with: [u8; 3]) -> Envelope {
    let [a, b, _] = with;
    let (asset, unit) = one(&[("USDT", 1_000_000), ("ETH", 3_000_000_000_u64)], b);
    let body = json!({"asset": asset, "price_micro_usd": unit + u64::from(a) * unit / 500});
    report(cell, PayloadKind::PriceReport, one(&["market", "market-2"], a), with, body)
}

fn exposure(cell: &Cell, with: [u8; 3]) -> Envelope {
    let [a, b, _] = with;
    let mut body = json!({"chain_id": 1, "destination": place(b), "score": one(&[0, 0, 10, 35, 55, 96], a / 2),
        "category": one(&["mixer", "exchange"], b)});
    if a % 3 != 0 {
        body["hops"] = json!(a % 4);
    }
    report(cell, PayloadKind::ExposureReport, one(&["chainwatch", "tracer"], a), with, body)
}

fn identity(cell: &Cell, with: [u8; 3]) -> Option<Envelope> {
    let [a, b, _] = with;
    let known = known(cell, a)?;
    let body = json!({"customer": known.request.customer, "subject": known.id, "session": "s-1", "method": "passkey",
        "intent": hex::encode(known.request_digest), "score": one(&[100, 75, 70, 69], b)});
    Some(report(cell, PayloadKind::IdentityAttestation, one(&["kyc", "kyc-2"], b / 4), with, body))
}

fn travel(cell: &Cell, with: [u8; 3]) -> Option<Envelope> {
    let [a, b, _] = with;
    let known = known(cell, a)?;
    let state = one(&["accepted", "accepted", "not-required", "sent", "required", "rejected"], b);
    let body = json!({"withdrawal": known.id, "intent": hex::encode(known.request_digest), "state": state,
        "message": "ab".repeat(32)});
    Some(report(cell, PayloadKind::TravelRuleReport, one(&["vasp", "vasp", "vasp-2"], b / 6), with, body))
}

fn asking_entry(cell: &Cell, [a, b, c]: [u8; 3]) -> Envelope {
    let assets: &[&str] = if c % 2 == 0 { &["USDT"] } else { &["ETH", "USDT"] };
    let request = json!({"cluster": "demo-1", "client": "pipeline", "customer": one(&CUSTOMERS, b), "chain_id": 1,
        "address": place(a).to_string().to_lowercase(), "assets": assets, "created_at_ms": cell.now,
        "expires_at_ms": cell.now + 30_000 + u64::from(c) * 2_000, "confirm_by_ms": cell.now + 60_000});
    sign(PayloadKind::WhitelistRequest, &request, "client", "pipeline")
}

fn confirming_entry(cell: &Cell, with: [u8; 3]) -> Option<Envelope> {
    let [a, b, _] = with;
    let asked: Vec<_> = cell.state.requested_entries().collect();
    let asked = asked.get(usize::from(a) % asked.len().max(1))?;
    let body = json!({"customer": asked.request.customer, "subject": asked.id, "session": "s-2", "method": "passkey",
        "intent": asked.intent, "score": one(&[90, 100, 60], b)});
    Some(report(cell, PayloadKind::IdentityAttestation, one(&["kyc", "kyc", "kyc-2"], b / 3), with, body))
}

fn house_entry(cell: &Cell, [a, b, c]: [u8; 3]) -> StatementBody {
    StatementBody::ProposeWhitelistEntry(WhitelistProposal {
        chain_id: ChainId(1),
        address: place(a),
        assets: vec!["USDT".parse().unwrap()],
        customer: (b % 3 == 0).then(|| one(&CUSTOMERS, b / 3).parse().unwrap()),
        not_before: None,
        expires_at: TimestampMs(cell.now + 50_000 + u64::from(c) * 2_000),
    })
}

fn order(cell: &Cell, [a, b, _]: [u8; 3]) -> OrderProposal {
    let subject = match b / 4 % 8 {
        0 => OrderSubject::Wallet(wallet(a)),
        1..4 => OrderSubject::Customer(one(&CUSTOMERS, a).parse().unwrap()),
        _ => OrderSubject::Destination(ChainId(1), place(a)),
    };
    let frozen = cell.state.legal_orders().map(|order| &order.id).nth(usize::from(a % 3));
    let demand = match (b % 4, frozen) {
        (0, _) | (1, None) => OrderDemand::Freeze(subject),
        (1, Some(frozen)) => OrderDemand::Unfreeze(frozen.clone()),
        (2, _) => OrderDemand::Release(ReleaseDemand {
            wallet: hot(),
            asset: "USDT".parse().unwrap(),
            amount: Amount::from_u128(100_000_000),
            chain_id: ChainId(1),
            address: place(a),
        }),
        (_, _) => OrderDemand::Disclose(subject),
    };
    OrderProposal {
        agency: "fiu".parse().unwrap(),
        reference: format!("case/{}", a % 32).parse().unwrap(),
        document: DocumentDigest::from_bytes([a; 32]),
        demand,
    }
}

fn nth_order(cell: &Cell, choice: u8) -> Option<LegalOrderId> {
    let orders: Vec<_> = cell.state.legal_orders().map(|order| order.id.clone()).collect();
    orders.get(usize::from(choice) % orders.len().max(1)).cloned()
}

fn contact_confirms(cell: &Cell, contact: &str, order: &LegalOrderId) -> Option<Envelope> {
    let contact: ContactId = contact.parse().unwrap();
    let text = OrderConfirmation::text(cell.state.cluster(), cell.state.legal_order(order)?, &contact);
    let key = ssh(&format!("contact-{contact}"));
    let signature = OfficerKey::sign(&key, ORDER_NAMESPACE, text.as_bytes()).unwrap();
    Some(Envelope {
        payload_type: PayloadKind::OrderConfirmation.payload_type(),
        payload: text.into_bytes(),
        signatures: vec![EnvelopeSignature { key_id: key_id("contact", contact.as_str()), signature }],
    })
}

/// Proposed by alice, approved by alice and bob, as far as the log takes it.
fn ceremony(cell: &mut Cell, body: StatementBody) {
    let Some(proposal) = said(cell, "alice", body) else { return };
    let Outcome::Admitted(Admission { ceremony: Some(id), .. }) = cell.submit(&proposal) else { return };
    for officer in ["alice", "bob"] {
        if let Some(approval) = said(cell, officer, StatementBody::ApproveCeremony(id)) {
            cell.submit(&approval);
        }
    }
}

/// New shares of the wallet's key, confirmed by as many nodes as the choice says, activated if it was all of them, and the old
/// ones erased by some.
fn migrate(cell: &mut Cell, [a, b, c]: [u8; 3]) {
    let wallet = cell.state.wallet(&"hot-1".parse().unwrap()).unwrap().clone();
    let engine = if b % 8 == 0 { wallet.engine.clone() } else { format!("test-{}", wallet.epoch + 1) };
    let proposal = MigrationProposal {
        wallet: wallet.id.clone(),
        from_engine: wallet.engine.clone(),
        engine,
        from_epoch: wallet.epoch,
        chain_code: one(&[NextChainCode::Carried, NextChainCode::Fresh], b),
        givers: wallet.nodes[usize::from(c % 2)..][..2].to_vec(),
        receivers: wallet.nodes.clone(),
    };
    let epoch = proposal.epoch();
    let chain_code = match proposal.chain_code {
        NextChainCode::Carried => wallet.chain_code,
        NextChainCode::Fresh => holdfast_chains::Digest([u8::try_from(epoch % 200).unwrap() + 40; 32]),
    };
    let members =
        [("epoch", json!(epoch)), ("engine", json!(proposal.engine)), ("chain_code", json!(chain_code))];
    ceremony(cell, StatementBody::ProposeMigration(proposal));
    let approved = |ceremony: &&std::sync::Arc<Ceremony>| {
        ceremony.kind.key_work().is_some_and(|work| work.epoch == epoch)
            && ceremony.phase_at(TimestampMs(cell.now)) == CeremonyPhase::Approved
    };
    let Some(id) = cell.state.ceremonies.values().find(approved).map(|ceremony| ceremony.id) else { return };
    let share = other_public(u8::try_from(epoch % 200 + 10).unwrap());
    for node in 1..=a % 4 {
        let shares = ("verifying_shares", json!([share, share, share]));
        let members = [members.as_slice(), &[shares]].concat();
        cell.submit(&confirmation_with(id, node, &members));
    }
    let payload = json!({"cluster": "demo-1", "ceremony": id, "wallet": "hot-1", "epoch": epoch});
    cell.submit(&coordinator(PayloadKind::EpochActivated, &payload));
    for node in 1..=c % 4 {
        cell.submit(&erased(node, 1, wallet.epoch));
    }
}

fn update_list(cell: &mut Cell, choice: u8) {
    let texts =
        [LISTED.to_owned(), format!("{LISTED}\n{}", PLACES[1]), format!("{}\n{}", PLACES[1], PLACES[2])];
    let update = Update::of(&cell.state, LIST, &texts[usize::from(choice) % texts.len()]);
    cell.submit(&update.announced());
    if update.update_is_empty() {
        return;
    }
    cell.submit(&update.part(0));
    ceremony(cell, update.proposal());
}

fn change_policy(cell: &mut Cell, choice: u8) {
    let text = policy::document(choice);
    let hash = holdfast_policy::PolicyDocument::parse(&text).unwrap().hash();
    if hash == cell.state.policy_digest() {
        return;
    }
    if cell.state.uploaded_policies().iter().all(|waiting| waiting.document.hash() != hash) {
        cell.accept(&uploading(&text));
    }
    cell.now += 1;
    let body = cell.policy_proposal(&text);
    ceremony(cell, body);
}

/// By everybody who must confirm it.
fn confirm_order(cell: &mut Cell, [a, b, _]: [u8; 3]) {
    let Some(id) = nth_order(cell, a) else { return };
    for officer in ["alice", "carol"] {
        if let Some(approval) = said(cell, officer, StatementBody::ApproveOrder(id.clone())) {
            cell.submit(&approval);
        }
    }
    for contact in ["desk-1", "desk-2"].iter().take(usize::from(b % 3)) {
        if let Some(confirmation) = contact_confirms(cell, contact, &id) {
            cell.submit(&confirmation);
        }
    }
}
