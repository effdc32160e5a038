//! Owns contract calls: a call goes only where a grant lists that function of that contract, its arguments are what the listing says,
//! and no danger is in it that the listing does not take on purpose. It cannot be left out of a document.

use std::collections::BTreeMap;

use holdfast_chains::{Address, Asset, CallValue, Calldata};

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    document::{ArgumentChoice, ArgumentRule, CallDanger, CallRule, Destinations, Grant},
    facts::{PolicyView, WithdrawalFacts},
    ids::RuleId,
    reason::ReasonCode,
    time::TimestampMs,
};

/// Most characters of what an argument must be that a decision repeats.
const MAX_WANTED: usize = 200;

/// What the document says about the call.
pub(super) struct ContractCall {
    by_grant: BTreeMap<RuleId, Judged>,
    /// The addresses among its arguments, by the types of the functions that are listed.
    pub(super) addresses: Vec<Address>,
}

/// What the listing that fits lets through; or why none does.
type Judged = Result<Listed, CallRefusal>;

/// A call that a listing lets through.
#[derive(Clone)]
pub(super) struct Listed {
    /// What is called, in words.
    pub(super) said: String,
    /// Arguments that had to be on the whitelist.
    pub(super) whitelisted: Vec<Address>,
}

/// Why a listing does not let the call through. The further down, the nearer it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallRefusal {
    NotListed(String),
    Malformed(String),
    Argument(String),
    Danger(CallDanger, String),
}

impl CallRefusal {
    pub(super) fn code(&self) -> ReasonCode {
        match self {
            Self::NotListed(_) => ReasonCode::CallNotListed,
            Self::Malformed(_) => ReasonCode::CallMalformed,
            Self::Argument(_) => ReasonCode::CallArgumentRefused,
            Self::Danger(danger, _) => match danger {
                CallDanger::UnlimitedApproval => ReasonCode::CallUnlimitedApproval,
                CallDanger::NestedCall => ReasonCode::CallNested,
                CallDanger::Delegatecall => ReasonCode::CallDelegates,
                CallDanger::ProxyUpgrade => ReasonCode::CallUpgrades,
            },
        }
    }

    pub(super) fn detail(&self) -> &str {
        match self {
            Self::NotListed(detail)
            | Self::Malformed(detail)
            | Self::Argument(detail)
            | Self::Danger(_, detail) => detail,
        }
    }
}

/// What a call's arguments are held against.
struct Caller<'a, V: ?Sized> {
    view: &'a V,
    withdrawal: &'a WithdrawalFacts,
    asset: Option<&'a Asset>,
    at: TimestampMs,
}

/// What lets a value be an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Because {
    Value,
    Whitelist,
}

impl ContractCall {
    /// `None` for a transfer.
    pub(super) fn judge<V: PolicyView + ?Sized>(
        view: &V,
        withdrawal: &WithdrawalFacts,
        asset: Option<&Asset>,
        at: TimestampMs,
    ) -> Option<Self> {
        let calldata = withdrawal.call.as_ref()?;
        let caller = Caller { view, withdrawal, asset, at };
        let grants = view.document().grants();
        let mut addresses = Vec::new();
        for rule in
            grants.iter().flat_map(|grant| &grant.calls).filter(|rule| caller.is_meant(rule, calldata))
        {
            addresses.extend(
                rule.function.decode(calldata).unwrap_or_default().iter().flat_map(CallValue::addresses),
            );
        }
        addresses.sort();
        addresses.dedup();
        let judged = |grant: &Grant| {
            let listings = grant.calls.iter().map(|rule| caller.judge(grant.destinations, rule, calldata));
            (grant.id.clone(), nearest(listings, withdrawal.destination, calldata))
        };
        Some(Self { by_grant: grants.iter().map(judged).collect(), addresses })
    }

    /// What the listings of one grant say.
    pub(super) fn by_grant(&self, grant: &Grant) -> Judged {
        match self.by_grant.get(&grant.id) {
            Some(judged) => judged.clone(),
            None => Err(CallRefusal::NotListed("the grant lists no call".to_owned())),
        }
    }
}

/// The listing that lets it through, or the one that came nearest.
fn nearest(listings: impl Iterator<Item = Judged>, contract: Address, calldata: &Calldata) -> Judged {
    let selector = calldata.selector();
    let mut nearest = CallRefusal::NotListed(format!("no listing of `{selector}` on {contract}"));
    for listing in listings {
        match listing {
            Ok(said) => return Ok(said),
            Err(refusal) => nearest = nearest.max(refusal),
        }
    }
    Err(nearest)
}

impl<V: PolicyView + ?Sized> Caller<'_, V> {
    fn is_meant(&self, rule: &CallRule, calldata: &Calldata) -> bool {
        rule.contract == self.withdrawal.destination && rule.function.selector() == calldata.selector()
    }

    // INVARIANT (G1, G9): every argument was read from exactly these bytes, and each rule about one is asked.
    fn judge(&self, destinations: Destinations, rule: &CallRule, calldata: &Calldata) -> Judged {
        let CallRule { contract, function, allow, arguments } = rule;
        if !self.is_meant(rule, calldata) {
            let selector = calldata.selector();
            let to = self.withdrawal.destination;
            return Err(CallRefusal::NotListed(format!("no listing of `{selector}` on {to}")));
        }
        let values = function
            .decode(calldata)
            .map_err(|error| CallRefusal::Malformed(format!("not a call of `{function}`: {error}")))?;
        if let Some(danger) = CallDanger::of(function, &values).difference(allow).next() {
            let detail = format!("`{function}` of {contract} is listed without `{danger}`");
            return Err(CallRefusal::Danger(*danger, detail));
        }
        let mut whitelisted = Vec::new();
        for (position, rule) in arguments {
            let value = position.checked_sub(1).and_then(|place| values.get(place));
            let because = value.and_then(|value| self.satisfies(destinations, value, rule));
            if let (Some(Because::Whitelist), Some(CallValue::Address(address))) = (because, value) {
                whitelisted.push(*address);
            }
            if because.is_none() {
                let found = value.map_or_else(|| "absent".to_owned(), CallValue::brief);
                // Details are kept with the decision: a long list is read in the document.
                let wanted: String = rule.to_string().chars().take(MAX_WANTED).collect();
                let detail = format!("argument {position} of `{function}` is {found}, must be {wanted}");
                return Err(CallRefusal::Argument(detail));
            }
        }
        let shown: Vec<_> = values.iter().map(CallValue::brief).collect();
        let said = format!("`{function}` of {contract} with ({})", shown.join(", "));
        Ok(Listed { said, whitelisted })
    }

    /// A value that is named needs no entry, whatever else is named beside it.
    fn satisfies(
        &self,
        destinations: Destinations,
        value: &CallValue,
        rule: &ArgumentRule,
    ) -> Option<Because> {
        let choices = match (rule, value) {
            (ArgumentRule::OneOf(choices), _) => choices,
            (ArgumentRule::AtMost(most), CallValue::Uint(number)) => {
                return (number <= most).then_some(Because::Value);
            }
            (ArgumentRule::AtMost(_), _) => return None,
        };
        let named = choices.iter().any(|choice| match (choice, value) {
            (ArgumentChoice::Value(wanted), value) => wanted == value,
            // INVARIANT (G9): an address that is not known is nobody's.
            (ArgumentChoice::Wallet, CallValue::Address(address)) => {
                self.view.wallet_address(&self.withdrawal.wallet) == Some(*address)
            }
            (ArgumentChoice::Wallet | ArgumentChoice::Whitelisted, _) => false,
        });
        let CallValue::Address(address) = value else { return named.then_some(Because::Value) };
        let listed =
            || choices.contains(&ArgumentChoice::Whitelisted) && self.is_whitelisted(destinations, *address);
        if named { Some(Because::Value) } else { listed().then_some(Because::Whitelist) }
    }

    // INVARIANT (G1): where the grant wants an entry of the house for the destination, it wants one for an argument too.
    fn is_whitelisted(&self, destinations: Destinations, address: Address) -> bool {
        let Some(asset) = self.asset else { return false };
        let terms = self.view.document().whitelist();
        let customer = destinations.served(self.withdrawal.customer.as_ref());
        let place = (asset.chain_id, address);
        self.view.whitelist().covering(terms, place, &asset.symbol, customer, self.at).is_ok()
    }
}

/// Nothing for a transfer.
pub(super) fn check<'a>(case: &Case<'a>) -> Option<Finding<'a>> {
    let call = case.call.as_ref()?;
    let speaker = Speaker { kind: RuleKind::ContractCall, rule: &RuleId::builtin("call") };
    if let Ok(Asset { contract: Some(_), symbol, .. }) = case.asset {
        let detail = format!("a call sends the chain's own coin along, and `{symbol}` is a token");
        return Some(speaker.denies(ReasonCode::CallAssetNotNative, detail));
    }
    let said = call.by_grant.values().cloned();
    let calldata = case.withdrawal.call.as_ref()?;
    Some(match nearest(said, case.withdrawal.destination, calldata) {
        Ok(listed) => speaker.passes(ReasonCode::CallListed, listed.said),
        Err(refusal) => speaker.denies(refusal.code(), refusal.detail()),
    })
}

/// For a wallet that pays itself: nothing is called then.
pub(super) fn check_own_transfer<'a>(case: &Case<'a>) -> Option<Finding<'a>> {
    case.call.as_ref()?;
    let speaker = Speaker { kind: RuleKind::ContractCall, rule: &RuleId::builtin("call") };
    Some(speaker.denies(ReasonCode::CallNotListed, "a wallet that pays itself calls nothing"))
}
