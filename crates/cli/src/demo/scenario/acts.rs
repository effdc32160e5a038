//! What the people and programs of the scenario do: thin calls of the same code as the commands.

use std::time::Duration;

use holdfast_chains::{Address, Amount, Transfer};
use holdfast_ledger::{CeremonyId, WithdrawalId, WithdrawalRequest};
use holdfast_policy::WalletId;
use holdfast_proto::v1;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::expect;
use super::super::story::Story;
use super::{CLIENT, PATIENCE, WALLET, customer, wallet_id};
use crate::ceremony::{self, ApproveArgs};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::output::Answer;
use crate::profile::Who;
use crate::session::Session;
use crate::statement::Signing;
use crate::wallet::{self, CreateArgs};
use crate::whitelist::{self, AddArgs};
use crate::wire;
use crate::withdraw::{self, Order, TransactionParts};

/// Whom the swapped calldata would pay.
pub(super) const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
const MAX_FEE: u128 = 30_000_000_000;
const INTENT_LIFE: Duration = Duration::from_secs(600);
/// How soon nodes that refuse an order have said so.
const REFUSED_WITHIN: Duration = Duration::from_secs(20);
const REFUSAL_LASTS: Duration = Duration::from_secs(3);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// The people and programs.
pub(super) struct Acts<'a> {
    story: &'a Story,
    pub(super) session: &'a Session,
    pub(super) client: Who,
}

impl<'a> Acts<'a> {
    pub(super) fn new(story: &'a Story, session: &'a Session) -> Result<Self, Failure> {
        let client = session.profile.choose(CLIENT, None)?;
        Ok(Self { story, session, client })
    }

    /// An officer who has read the statement and signs with the key in the profile.
    pub(super) fn signing(&self, officer: &str, brief: bool) -> Signing {
        Signing { officer: Some(officer.to_owned()), yes: true, brief, ..Signing::default() }
    }

    pub(super) async fn propose_wallet(&self, wallet: &str) -> Result<CeremonyId, Failure> {
        let id = WalletId::new(wallet).map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
        let signing = self.signing("alice", false);
        let args = CreateArgs { id, engine: Engine::default(), signing: signing.into() };
        ceremony_id(&Box::pin(wallet::create(self.session, &args)).await?)
    }

    pub(super) async fn approve(
        &self,
        officer: &str,
        id: &CeremonyId,
        brief: bool,
    ) -> Result<Answer, Failure> {
        let args = ApproveArgs {
            id: *id,
            wait: false,
            pass_over: Vec::new(),
            signing: self.signing(officer, brief).into(),
        };
        Box::pin(ceremony::approve(self.session, &args)).await
    }

    pub(super) async fn follow(&self, id: &CeremonyId) -> Result<v1::Ceremony, Failure> {
        ceremony::follow(self.session, id).await
    }

    /// Proposes a house entry and has it approved; returns the entry's id.
    pub(super) async fn whitelist(
        &self,
        address: &str,
        life: Duration,
        brief: bool,
    ) -> Result<String, Failure> {
        let args = AddArgs {
            address: address.to_owned(),
            chain_id: 1,
            assets: vec!["USDT".to_owned()],
            customer: None,
            expires_in: life,
            valid_in: None,
            signing: self.signing("alice", brief).into(),
        };
        let ceremony = ceremony_id(&Box::pin(whitelist::add(self.session, &args)).await?)?;
        self.approve("alice", &ceremony, true).await?;
        let answer = self.approve("bob", &ceremony, true).await?;
        let entry = answer.json.get("whitelist_entry").and_then(Value::as_str);
        entry.map(str::to_owned).ok_or_else(|| {
            Failure::other("EXPECTATION_NOT_MET", format!("ceremony {ceremony} added no whitelist entry"))
        })
    }

    /// An intent to pay `to`, with a transaction that pays `calldata_to`.
    pub(super) fn request(
        &self,
        amount: &str,
        to: &str,
        calldata_to: &str,
        nonce: u64,
    ) -> Result<WithdrawalRequest, Failure> {
        let parts = TransactionParts {
            nonce: Some(nonce),
            max_fee_gwei: Some(MAX_FEE),
            ..TransactionParts::default()
        };
        let mut request = self.order(amount, to, parts.clone(), None)?.request(self.session)?;
        if calldata_to != to {
            let asset = self.session.assets().iter().find(|asset| asset.symbol == request.asset);
            let asset = asset.ok_or_else(|| Failure::other("INTERNAL", "the asset is not registered"))?;
            let thief =
                Address::parse(calldata_to).map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
            let transfer = Transfer { contract: asset.contract, to: thief, amount: request.amount };
            request.transaction = parts.build(asset, transfer, None)?.map(|swapped| swapped.to_hex());
        }
        Ok(request)
    }

    pub(super) fn request_without_transaction(
        &self,
        amount: &str,
        to: &str,
    ) -> Result<WithdrawalRequest, Failure> {
        let fee_cap = Some(Amount::from_u128(10_000_000_000_000_000));
        self.order(amount, to, TransactionParts::default(), fee_cap)?.request(self.session)
    }

    fn order(
        &self,
        amount: &str,
        to: &str,
        transaction: TransactionParts,
        fee_cap: Option<Amount>,
    ) -> Result<Order, Failure> {
        Ok(Order {
            calldata: None,
            amount: amount.to_owned(),
            to: to.to_owned(),
            wallet: wallet_id()?,
            customer: customer()?,
            chain_id: 1,
            idempotency_key: None,
            expires_in: INTENT_LIFE,
            fee_cap,
            order: None,
            client: None,
            transaction,
        })
    }

    pub(super) async fn submit(&self, request: &WithdrawalRequest) -> Result<v1::Withdrawal, Failure> {
        Box::pin(withdraw::submit_request(self.session, &self.client, request, PATIENCE)).await
    }

    pub(super) async fn fetch(&self, id: &WithdrawalId) -> Result<v1::Withdrawal, Failure> {
        withdraw::fetch(self.session, &self.client, id).await
    }

    pub(super) fn id(&self, withdrawal: &v1::Withdrawal) -> Result<WithdrawalId, Failure> {
        let malformed =
            || Failure::verification("ID_MALFORMED", "the coordinator answered with a malformed id");
        withdrawal.id.parse().map_err(|_| malformed())
    }

    /// Fails unless the policy denied it, first of all for this reason.
    pub(super) fn expect_denied(&self, withdrawal: &v1::Withdrawal, code: &str) -> Result<(), Failure> {
        expect::state(withdrawal, v1::WithdrawalState::Denied)?;
        let reason = withdrawal.reason.clone().unwrap_or_default();
        let rules = withdrawal.decision.iter().flat_map(|decision| &decision.rules);
        let rule = rules.clone().find(|rule| rule.code == code && rule.verdict() == v1::Verdict::Deny);
        let rule = rule.ok_or_else(|| {
            Failure::other("EXPECTATION_NOT_MET", format!("denied for `{}` instead of `{code}`", reason.code))
        })?;
        expect::that(reason.code == code, format!("denied for `{}` first, not `{code}`", reason.code))?;
        let what = format!("{} to {}", withdrawal.amount, withdrawal.destination);
        self.story.refused(
            &crate::amount::show_money(&withdrawal.amount, &withdrawal.asset, self.session.assets()),
            code,
            &format!("{} (rule `{}`: {})", reason.sentence, rule.rule, rule.detail),
        );
        self.story.note(json!({"denied": what}));
        Ok(())
    }

    /// Binds a transaction to an allowed order of a paused wallet, and fails unless it is refused for the pause.
    pub(super) async fn expect_refused_by_the_nodes(&self, id: &WithdrawalId) -> Result<(), Failure> {
        let allowed = self.fetch(id).await?;
        let request = self.request("1250 USDT", &allowed.destination, &allowed.destination, 2)?;
        let transaction = request.transaction.unwrap_or_default();
        withdraw::bind_transaction(self.session, &self.client, id, transaction, Duration::ZERO).await?;
        let refused = self.poll_refusal(id).await?;
        let reason = refused.reason.clone().unwrap_or_default();
        self.story.refused(
            &format!("the next order of wallet {WALLET}, {}", wire::state_name(&refused).to_lowercase()),
            &reason.code,
            &reason.sentence,
        );
        // The refusal is no accident of the moment: it stays.
        sleep(REFUSAL_LASTS).await;
        let later = self.fetch(id).await?;
        expect::that(
            later.state() != v1::WithdrawalState::Signed && later.receipt.is_none(),
            "the nodes signed for a paused wallet",
        )
    }

    /// Asks until a pause is given as the reason: `LATCHED` by a node that the officer told directly, `WALLET_PAUSED` once
    /// the log contains the pause.
    async fn poll_refusal(&self, id: &WithdrawalId) -> Result<v1::Withdrawal, Failure> {
        let deadline = Instant::now().checked_add(REFUSED_WITHIN);
        loop {
            let withdrawal = self.fetch(id).await?;
            let code = withdrawal.reason.as_ref().map(|reason| reason.code.clone()).unwrap_or_default();
            if matches!(code.as_str(), "LATCHED" | "WALLET_PAUSED") {
                return Ok(withdrawal);
            }
            let state = wire::state_name(&withdrawal);
            expect::that(
                withdrawal.state() != v1::WithdrawalState::Signed,
                format!("{} was signed for a paused wallet", withdrawal.id),
            )?;
            expect::that(
                deadline.is_some_and(|deadline| Instant::now() < deadline),
                format!("{} is {state} for `{code}`, not refused for the pause", withdrawal.id),
            )?;
            sleep(POLL_EVERY).await;
        }
    }
}

fn ceremony_id(answer: &Answer) -> Result<CeremonyId, Failure> {
    let id = answer.json.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        Failure::other("INTERNAL", format!("no ceremony id in {}", Value::to_string(&answer.json)))
    })
}
