//! Tests of the sum: it adds, saturates, and says what nobody knows.

use std::collections::BTreeSet;

use holdfast_chains::{Amount, AssetSymbol};

use super::*;
use crate::{
    facts::WithdrawalFacts,
    ids::{ClientId, ProviderId, WalletId},
    minute::Minute,
    session::{SessionDetails, SessionSignals},
    time::{DurationMs, TimestampMs},
};

fn terms(weights: [u8; 3]) -> RiskTerms {
    let [listed_address, new_device, second_factor_reset] = weights;
    RiskTerms {
        listed_address,
        new_device,
        second_factor_reset,
        max_report_age: DurationMs(1),
        destination: DestinationTerms::default(),
        habit: HabitTerms::default(),
        account: AccountTerms::default(),
    }
}

fn report(new_device: bool, second_factor_reset: bool) -> SessionSignals {
    let provider = ProviderId::new("sessions").unwrap();
    let details = SessionDetails::default();
    SessionSignals { new_device, second_factor_reset, details, observed_at: TimestampMs(0), provider }
}

fn assess(terms: &RiskTerms, listed: Option<bool>, session: Option<&SessionSignals>) -> RiskScore {
    let withdrawal = WithdrawalFacts {
        wallet: WalletId::new("hot-1").unwrap(),
        asset: AssetSymbol::parse("USDT").unwrap(),
        amount: Amount::from_u128(1),
        destination: holdfast_chains::Address::from_bytes([1; 20]),
        call: None,
        fee_cap: Amount::from_u128(1),
        client: ClientId::new("web").unwrap(),
        requesters: BTreeSet::new(),
        customer: None,
        requested_at: TimestampMs(0),
        first_requested_at: TimestampMs(0),
        place: 0,
        order: None,
        travel: Vec::new(),
        approvals: Vec::new(),
        intent: crate::digest::IntentDigest::from_bytes([0; 32]),
        attestations: Vec::new(),
    };
    let facts = RiskFacts {
        at: TimestampMs(0),
        now: Minute(0),
        listed,
        session: session.map(|report| (report, DurationMs(0))),
        client: &withdrawal.client,
        customer: None,
        history: None,
        destination: None,
        device: None,
        look_alikes: None,
        exposure: &crate::exposure::Exposure::NotAsked,
        usd_cents: None,
        whitelisted: None,
        named: Vec::new(),
        place: None,
        withdrawal: &withdrawal,
    };
    RiskScore::assess(terms, &facts)
}

#[test]
fn score_is_the_sum_of_the_conditions_that_hold() {
    let terms = terms([50, 20, 7]);
    for (listed, device, factor, score) in [
        (false, false, false, 0),
        (true, false, false, 50),
        (false, true, false, 20),
        (false, false, true, 7),
        (true, true, true, 77),
    ] {
        let assessed = assess(&terms, Some(listed), Some(&report(device, factor)));
        assert_eq!(assessed.score, score);
        assert_eq!(assessed.components.len(), 3, "components that add nothing are reported too");
    }
}

#[test]
fn score_saturates_at_one_hundred_and_does_not_wrap() {
    let assessed = assess(&terms([100, 100, 100]), Some(true), Some(&report(true, true)));
    assert_eq!(assessed.score, MAX_SCORE);
    assert!(assessed.components.iter().all(|part| part.contribution == 100));
}

#[test]
fn unknown_conditions_are_reported_as_unknown_and_not_as_absent() {
    let mut terms = terms([50, 20, 7]);
    let lately = Some(Lately { weight: 9, within: DurationMs(60_000) });
    let graded = Graded { weight: 9, from: 1, full: 2 };
    let within = Some(Within { graded, within: DurationMs(60_000) });
    let dormant = Some(Dormant { weight: 9, silent: DurationMs(1), within: DurationMs(1) });
    let fan_in = Some(FanIn { graded, within: DurationMs(1), public: 9 });
    let alike = Some(Alike { weight: 9, prefix: 4, suffix: 4 });
    terms.destination = DestinationTerms {
        established: Some(Established { after: DurationMs(1), percent: 0 }),
        exposure: Some(graded),
        near_listed: Some(NearListed { weight: 9, hops: 1, min_score: 1 }),
        new_destination: lately,
        unlisted: Some(9),
        look_alike: alike,
        wallet_look_alike: alike,
        fan_in,
        fresh_crowd: fan_in,
    };
    terms.habit = HabitTerms {
        unusual_amount: Some(graded),
        large_amount: Some(graded),
        unusual_rate: within,
        new_places: within,
        near_limit: Some(NearLimit { graded, within: DurationMs(1), limit_usd_cents: 1, percent: 1 }),
        unusual_hour: Some(UnusualHour { weight: 9, percent: 1, min_withdrawals: 1 }),
        new_client: Some(9),
    };
    terms.account = AccountTerms {
        dormant,
        fresh_account: lately,
        young_device: lately,
        shared_device: within,
        password_reset: lately,
        email_changed: lately,
        tor: Some(9),
        vpn: Some(9),
        hosting: Some(9),
        country_changed: Some(9),
        fresh_api_key: lately,
        old_session: Some(graded),
        reset_then_new_device: lately,
        woke_on_new_device: dormant,
    };
    let assessed = assess(&terms, None, None);
    assert_eq!(assessed.components.len(), 32, "every component is reported");
    assert!(assessed.components.iter().all(|part| part.state == ComponentState::Unknown), "{assessed:#?}");
    assert_eq!(assessed.score, 0);
}
