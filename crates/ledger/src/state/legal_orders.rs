//! Legal orders: opened by one officer, approved by officers of two roles, confirmed by two contacts of the agency, and what they
//! stop and permit.
//!
//! INVARIANT (G1): one officer's statement can only stop payments, and for a bounded time. Nothing is released, unfrozen or disclosed
//! before two people of two roles and two keys of the agency said so.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    Freeze, FrozenSubject, LegalFacts, LegalOrderId, LegalTerms, OfficerId, Place, PolicyDocument, Release,
    ReleaseStanding, TimestampMs, WithdrawalFacts, quorum_is_met,
};
use imbl::{OrdMap, OrdSet};

use super::statements::unknown_wallet;
use super::{Change, State};
use crate::ceremony::{CeremonyApproval, QuorumMet};
use crate::codec::{Decode, Encode, Input, Malformed};
use crate::legal_order::{
    ContactConfirmation, LegalOrder, OrderConfirmation, OrderDemand, OrderProposal, OrderState, OrderSubject,
};
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::Statement;
use crate::withdrawal::Withdrawal;

/// Most orders of one officer that nobody confirmed and that have not lapsed: one officer cannot stop everything.
const MAX_OPEN_ORDERS: usize = 16;

/// All orders, and where to look for those that are about a withdrawal.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    records: OrdMap<LegalOrderId, Arc<LegalOrder>>,
    frozen: OrdMap<OrderSubject, OrdSet<LegalOrderId>>,
    demanded: OrdMap<(ChainId, Address), OrdSet<LegalOrderId>>,
}

impl Orders {
    /// Puts an order in the place of the one with its id. What lapsed is not looked for any more.
    pub(super) fn insert(&mut self, order: LegalOrder, time: TimestampMs) {
        let order = Arc::new(order);
        self.records.insert(order.id.clone(), Arc::clone(&order));
        let records = &self.records;
        let stands = |id: &LegalOrderId| {
            records
                .get(id)
                .is_some_and(|order| matches!(order.state_at(time), OrderState::Open | OrderState::Confirmed))
        };
        let listed = |known: Option<OrdSet<LegalOrderId>>| -> OrdSet<LegalOrderId> {
            known.unwrap_or_default().into_iter().chain([order.id.clone()]).filter(stands).collect()
        };
        match &order.proposal.demand {
            OrderDemand::Freeze(subject) => {
                let ids = listed(self.frozen.remove(subject));
                self.frozen.insert(subject.clone(), ids);
            }
            OrderDemand::Release(demand) => {
                let place = (demand.chain_id, demand.address);
                let ids = listed(self.demanded.remove(&place));
                self.demanded.insert(place, ids);
            }
            OrderDemand::Unfreeze(_) | OrderDemand::Disclose(_) => {}
        }
    }

    fn freezes(&self, subject: &OrderSubject, at: TimestampMs) -> impl Iterator<Item = &LegalOrder> {
        let ids = self.frozen.get(subject).into_iter().flatten();
        let orders = ids.filter_map(|id| self.records.get(id)).map(Arc::as_ref);
        orders.filter(move |order| order.freezes_at(at))
    }

    fn demanding(&self, place: (ChainId, Address)) -> impl Iterator<Item = &LegalOrder> {
        let ids = self.demanded.get(&place).into_iter().flatten();
        ids.filter_map(|id| self.records.get(id)).map(Arc::as_ref)
    }
}

impl State {
    /// The legal order with this id.
    pub fn legal_order(&self, id: &LegalOrderId) -> Option<&LegalOrder> {
        self.orders.records.get(id).map(Arc::as_ref)
    }

    /// All legal orders, by id.
    pub fn legal_orders(&self) -> impl Iterator<Item = &LegalOrder> {
        self.orders.records.values().map(Arc::as_ref)
    }

    /// The freezes of this that are in force.
    pub fn freezes<'a>(
        &'a self,
        subject: &OrderSubject,
        at: TimestampMs,
    ) -> impl Iterator<Item = &'a LegalOrder> + use<'a> {
        let found: Vec<_> = self.orders.freezes(subject, at).collect();
        found.into_iter()
    }

    pub(super) fn open_order(
        &self,
        statement: &Statement,
        proposal: &OrderProposal,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let terms = self.legal_terms()?;
        self.check_role(&statement.officer, &BTreeSet::from([terms.opened_by.clone()]))?;
        let id = proposal
            .id(self.cluster())
            .ok_or_else(|| Rejection::new(RejectionCode::FieldInvalid, "the order has no id"))?;
        if self.legal_order(&id).is_some() {
            let detail = format!("this very order, `{id}`, was opened here already");
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("reference"));
        }
        if let Some(order) = self.confirmed_under(proposal) {
            let detail = format!(
                "`{}` of `{}` is confirmed: it is `{}`",
                proposal.reference, proposal.agency, order.id
            );
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("reference"));
        }
        self.check_demand(proposal, time)?;
        let officer = &statement.officer;
        let since = self.roster().officer(officer).map_or(0, |known| known.since);
        let theirs = |order: &&LegalOrder| {
            order.opened_by == *officer && since < order.index && order.state_at(time) == OrderState::Open
        };
        if self.legal_orders().filter(theirs).count() >= MAX_OPEN_ORDERS {
            let detail =
                format!("{MAX_OPEN_ORDERS} orders that `{officer}` opened wait for others to confirm them");
            return Err(Rejection::new(RejectionCode::LegalOrderState, detail).with_field("officer"));
        }
        self.check_not_prolonged(officer, proposal, time)?;
        let lapses_at = time.checked_add(terms.lapse).unwrap_or(TimestampMs(u64::MAX));
        let order = LegalOrder {
            id,
            digest: proposal.digest(self.cluster()),
            proposal: proposal.clone(),
            opened_by: officer.clone(),
            time,
            index,
            lapses_at,
            approvals: Vec::new(),
            confirmations: Vec::new(),
            confirmed: None,
            lifted_by: None,
            paid_by: None,
        };
        Ok(Change { legal_orders: vec![order], ..Change::default() })
    }

    /// INVARIANT (G4): one officer alone stops something for as long as the policy says and no longer: whose order about it lapsed
    /// opens no other one about it, and nobody adds a second freeze to one's own.
    fn check_not_prolonged(
        &self,
        officer: &OfficerId,
        proposal: &OrderProposal,
        time: TimestampMs,
    ) -> Result<(), Rejection> {
        let Some(subject) = proposal.demand.stops() else { return Ok(()) };
        let since = self.roster().officer(officer).map_or(0, |known| known.since);
        let freezes = |demand: &OrderDemand| matches!(demand, OrderDemand::Freeze(_));
        let prolonged = |order: &&LegalOrder| {
            let over = match order.state_at(time) {
                OrderState::Lapsed => true,
                OrderState::Open => freezes(&order.proposal.demand) && freezes(&proposal.demand),
                OrderState::Confirmed | OrderState::Lifted => false,
            };
            over && order.opened_by == *officer
                && since < order.index
                && order.stops().as_ref() == Some(&subject)
        };
        match self.legal_orders().find(prolonged) {
            None => Ok(()),
            Some(order) => {
                let detail = format!(
                    "nobody confirmed `{}`, which `{officer}` opened about the same: another officer has to open this one",
                    order.id
                );
                Err(Rejection::new(RejectionCode::LegalOrderState, detail).with_field("officer"))
            }
        }
    }

    pub(super) fn approve_order(
        &self,
        statement: &Statement,
        id: &LegalOrderId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let terms = self.legal_terms()?;
        let mut order = self.waiting_order(id, time)?.clone();
        self.check_role(&statement.officer, &terms.approvals.keys().cloned().collect())?;
        // What expired counts no more and may be said again.
        order
            .approvals
            .retain(|approval| time < approval.expires_at || approval.officer != statement.officer);
        if order.approvals.iter().any(|approval| approval.officer == statement.officer) {
            let detail = format!("`{}` has approved this order already", statement.officer);
            return Err(Rejection::new(RejectionCode::AlreadyApproved, detail).with_field("officer"));
        }
        order.approvals.push(CeremonyApproval {
            officer: statement.officer.clone(),
            roles: self.roles_of(&statement.officer),
            time,
            expires_at: statement.expires_at.unwrap_or(time),
            index,
        });
        Ok(self.conclude_order(order, terms, index, time))
    }

    pub(super) fn admit_order_confirmation(
        &self,
        confirmation: &OrderConfirmation,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&confirmation.cluster)?;
        let terms = self.legal_terms()?;
        let mut order = self.waiting_order(&confirmation.order, time)?.clone();
        let contact = self.roster().contact(&confirmation.contact);
        if contact.is_none_or(|contact| contact.agency != order.proposal.agency) {
            let detail = format!("`{}` is no contact of `{}`", confirmation.contact, order.proposal.agency);
            return Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("contact"));
        }
        // INVARIANT (G1): the contact signed exactly what this log says the order is.
        if confirmation.text != OrderConfirmation::text(self.cluster(), &order, &confirmation.contact) {
            let detail = "the confirmation does not describe the order as the log does: make a new one";
            return Err(Rejection::new(RejectionCode::StatementMismatch, detail));
        }
        if order.confirmations.iter().any(|known| known.contact == confirmation.contact) {
            let detail = format!("`{}` has confirmed this order already", confirmation.contact);
            return Err(Rejection::new(RejectionCode::AlreadyApproved, detail).with_field("contact"));
        }
        let contact = confirmation.contact.clone();
        order.confirmations.push(ContactConfirmation { contact, time, index });
        Ok(self.conclude_order(order, terms, index, time))
    }

    /// Whether officers and contacts are enough now, by the roles and keys that they have now.
    fn conclude_order(
        &self,
        mut order: LegalOrder,
        terms: &LegalTerms,
        index: u64,
        time: TimestampMs,
    ) -> Change {
        let approved: Vec<_> = order
            .approvals
            .iter()
            .filter(|approval| time < approval.expires_at)
            .map(|approval| {
                (approval.officer.clone(), self.standing_roles(&approval.officer, approval.index))
            })
            .collect();
        // Whoever joined before confirming is still the agency's: a contact changes agencies by leaving and joining anew.
        let standing = |confirmation: &&ContactConfirmation| {
            let contact = self.roster().contact(&confirmation.contact);
            contact.is_some_and(|contact| contact.since < confirmation.index)
        };
        let contacts = order.confirmations.iter().filter(standing).count();
        let mut others = Vec::new();
        if quorum_is_met(&terms.approvals, &approved) && contacts >= order.contacts_needed() {
            order.confirmed = Some(QuorumMet { index, time });
            if let OrderDemand::Unfreeze(frozen) = &order.proposal.demand
                && let Some(frozen) = self.legal_order(frozen).filter(|frozen| frozen.freezes_at(time))
            {
                others.push(LegalOrder { lifted_by: Some(order.id.clone()), ..frozen.clone() });
            }
        }
        others.push(order);
        Change { legal_orders: others, ..Change::default() }
    }

    /// For the entry that authorizes a payment on the strength of an order: the order as it is from then on.
    pub(super) fn order_paid_by(&self, withdrawal: &Withdrawal) -> Vec<LegalOrder> {
        let order = withdrawal.request.order.as_ref().and_then(|id| self.legal_order(id));
        let first = self.lineage(withdrawal.id).last().unwrap_or(withdrawal.id);
        let paid = |order: &LegalOrder| LegalOrder { paid_by: Some(first), ..order.clone() };
        order.map(paid).into_iter().collect()
    }

    /// What orders say about a withdrawal.
    pub(super) fn legal_facts(&self, facts: &WithdrawalFacts, at: TimestampMs) -> LegalFacts {
        let mut subjects = vec![(FrozenSubject::Wallet, OrderSubject::Wallet(facts.wallet.clone()))];
        if let Some(customer) = &facts.customer {
            subjects.push((FrozenSubject::Customer, OrderSubject::Customer(customer.clone())));
        }
        let assets = &self.genesis.document.assets;
        let chain = assets.iter().find(|asset| asset.symbol == facts.asset).map(|asset| asset.chain_id);
        if let Some(chain_id) = chain {
            // An address in a call's bytes is frozen as the destination would be.
            let frozen = |address| (FrozenSubject::Destination, OrderSubject::Destination(chain_id, address));
            subjects.extend(facts.addresses().map(frozen));
        }
        let freezes = subjects.iter().flat_map(|(subject, of)| {
            self.orders.freezes(of, at).map(|order| Freeze {
                subject: *subject,
                order: order.id.clone(),
                agency: order.proposal.agency.clone(),
            })
        });
        // INVARIANT (G10): what lapsed may or may not be looked up still, so it is left out; the order that the withdrawal names is
        // taken from the records, where every replica has it.
        let place = chain.map(|chain| (chain, facts.destination));
        let demanding = place.into_iter().flat_map(|place| self.orders.demanding(place));
        let standing = demanding.filter(|order| order.state_at(at) != OrderState::Lapsed);
        let named = facts.order.as_ref().and_then(|id| self.legal_order(id));
        let named = named.filter(|order| order.demanded_at().is_some_and(|of| Some(of) == place));
        let releases = standing.chain(named).filter_map(|order| self.release(order, facts, at));
        // An address may be in a call more than once.
        let freezes: BTreeSet<_> = freezes.collect();
        LegalFacts { freezes: freezes.into_iter().collect(), releases: releases.collect() }
    }

    fn release(&self, order: &LegalOrder, facts: &WithdrawalFacts, at: TimestampMs) -> Option<Release> {
        let OrderDemand::Release(demand) = &order.proposal.demand else { return None };
        let standing = match order.state_at(at) {
            OrderState::Confirmed if self.is_paid_by_another(order, facts.place) => ReleaseStanding::Paid,
            OrderState::Confirmed => ReleaseStanding::Confirmed,
            OrderState::Open | OrderState::Lapsed | OrderState::Lifted => ReleaseStanding::Unconfirmed,
        };
        Some(Release {
            order: order.id.clone(),
            agency: order.proposal.agency.clone(),
            wallet: demand.wallet.clone(),
            asset: demand.asset.clone(),
            amount: demand.amount,
            standing,
        })
    }

    /// INVARIANT (G5): an order is paid once. What was authorized on its strength counts until enough nodes swore it off.
    fn is_paid_by_another(&self, order: &LegalOrder, place: Place) -> bool {
        let payment = order.paid_by.and_then(|id| self.withdrawal(&id));
        payment.is_some_and(|payment| payment.positions.request != place && self.still_counts(payment))
    }

    /// The order that was confirmed under the same reference of the same agency.
    fn confirmed_under(&self, proposal: &OrderProposal) -> Option<&LegalOrder> {
        let same = |known: &OrderProposal| {
            (&known.agency, &known.reference) == (&proposal.agency, &proposal.reference)
        };
        self.legal_orders().find(|order| order.confirmed.is_some() && same(&order.proposal))
    }

    /// INVARIANT (G1): one officer's false order keeps no true one out, and of all under one reference one is confirmed.
    fn waiting_order(&self, id: &LegalOrderId, time: TimestampMs) -> Result<&LegalOrder, Rejection> {
        let order = self.legal_order(id).ok_or_else(|| unknown_order(id))?;
        let state = order.state_at(time);
        if state != OrderState::Open {
            let detail =
                format!("the order is {state:?}: it takes no approval or confirmation").to_lowercase();
            return Err(Rejection::new(RejectionCode::LegalOrderState, detail).with_field("order"));
        }
        if let Some(other) = self.confirmed_under(&order.proposal) {
            let detail = format!("`{}` was confirmed under this reference", other.id);
            return Err(Rejection::new(RejectionCode::LegalOrderState, detail).with_field("order"));
        }
        Ok(order)
    }

    /// What an order may demand here.
    fn check_demand(&self, proposal: &OrderProposal, time: TimestampMs) -> Result<(), Rejection> {
        match &proposal.demand {
            OrderDemand::Freeze(OrderSubject::Wallet(wallet))
            | OrderDemand::Disclose(OrderSubject::Wallet(wallet)) => {
                self.wallet(wallet).map(|_| ()).ok_or_else(|| unknown_wallet(wallet))
            }
            OrderDemand::Freeze(_) | OrderDemand::Disclose(_) => Ok(()),
            OrderDemand::Unfreeze(id) => {
                let order = self.legal_order(id).ok_or_else(|| unknown_order(id))?;
                if order.freezes_at(time) && order.proposal.agency == proposal.agency {
                    return Ok(());
                }
                let detail = format!("`{id}` is no freeze of `{}` that is in force", proposal.agency);
                Err(Rejection::new(RejectionCode::LegalOrderState, detail).with_field("frozen by order"))
            }
            OrderDemand::Release(demand) => {
                self.wallet(&demand.wallet).ok_or_else(|| unknown_wallet(&demand.wallet))?;
                let assets = &self.genesis.document.assets;
                let known = |asset: &holdfast_chains::Asset| {
                    asset.chain_id == demand.chain_id && asset.symbol == demand.asset
                };
                if !assets.iter().any(known) {
                    let detail = format!("`{}` is not registered on chain {}", demand.asset, demand.chain_id);
                    return Err(Rejection::new(RejectionCode::UnknownAsset, detail).with_field("asset"));
                }
                if demand.amount.is_zero() || demand.address.is_zero() {
                    let detail = "an order demands more than nothing, to an address";
                    return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("base units"));
                }
                Ok(())
            }
        }
    }

    fn legal_terms(&self) -> Result<&LegalTerms, Rejection> {
        let terms: Option<&LegalTerms> = PolicyDocument::legal(self.policy());
        terms.ok_or_else(|| {
            let detail = "the policy in force has no `[legal]` table: it takes no legal orders";
            Rejection::new(RejectionCode::PolicyBound, detail).with_field("action")
        })
    }

    fn check_role(
        &self,
        officer: &OfficerId,
        roles: &BTreeSet<holdfast_policy::RoleName>,
    ) -> Result<(), Rejection> {
        if !self.roles_of(officer).is_disjoint(roles) {
            return Ok(());
        }
        let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
        let detail = format!("`{officer}` has none of the roles `{}`", roles.join("`, `"));
        Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("officer"))
    }
}

pub(super) fn unknown_order(id: &LegalOrderId) -> Rejection {
    Rejection::new(RejectionCode::UnknownLegalOrder, format!("no legal order `{id}`")).with_field("order")
}

/// The records; where to look for them follows.
impl Encode for Orders {
    fn encode(&self, out: &mut Vec<u8>) {
        let records: Vec<_> = self.records.values().map(|order| order.as_ref().clone()).collect();
        records.encode(out);
    }
}

impl Decode for Orders {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let records: Vec<LegalOrder> = Decode::decode(input)?;
        if !records.is_sorted_by(|one, next| one.id < next.id) {
            return Err(Malformed::new("legal orders are not in order"));
        }
        let mut orders = Self::default();
        records.into_iter().for_each(|order| orders.insert(order, TimestampMs(0)));
        Ok(orders)
    }
}
