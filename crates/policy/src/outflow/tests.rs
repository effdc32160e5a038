//! Tests of what windows count: an oracle that adds everything up by hand, boundaries to the millisecond, and who wins a place.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use proptest::prelude::*;

use super::*;

const DEMO: &str = include_str!("../../fixtures/demo-policy.toml");
const WINDOW: u64 = 1_000;

fn document(per: &str, unit: &str) -> PolicyDocument {
    let rule = format!(
        "[[restriction]]\nid = \"w\"\ntype = \"limit_window\"\n{unit}\nper = [{per}]\nwindow_ms = {WINDOW}\ndeny_above = \"100\"\n\n[prices]\nmax_age_ms = 1000\nproviders = [\"prices\"]\n\n[risk]"
    );
    PolicyDocument::parse(&DEMO.replacen("[risk]", &rule, 1)).unwrap()
}

fn outflow(customer: &str, amount: u64) -> Outflow {
    Outflow {
        wallet: WalletId::new("hot-1").unwrap(),
        asset: AssetSymbol::parse("USDT").unwrap(),
        client: ClientId::new("pipeline").unwrap(),
        customer: Some(CustomerRef::new(customer).unwrap()),
        chain_id: ChainId(1),
        destination: Address::parse("0x000000000000000000000000000000000000dEaD").unwrap(),
        amount: Amount::from_u128(amount.into()),
        usd_cents: Some(amount),
    }
}

fn reserved(until: u64) -> OutflowStage {
    OutflowStage::Reserved { until: TimestampMs(until) }
}

struct Window {
    outflows: Outflows,
    document: PolicyDocument,
}

impl Window {
    fn new(per: &str, unit: &str) -> Self {
        let document = document(per, unit);
        let mut outflows = Outflows::default();
        outflows.measure(&document);
        Self { outflows, document }
    }

    /// The ceiling of a tier with two wallets.
    fn of_tier(unit: &str) -> Self {
        let tier = format!(
            "[[tier]]\nid = \"hot\"\nwallets = [\"hot-1\", \"hot-2\"]\n\n[[tier.ceiling]]\nid = \"w\"\n{unit}\nwindow_ms = {WINDOW}\ndeny_above = \"100\"\n\n[prices]\nmax_age_ms = 1000\nproviders = [\"prices\"]\n\n[risk]"
        );
        let document = PolicyDocument::parse(&DEMO.replacen("[risk]", &tier, 1)).unwrap();
        let mut outflows = Outflows::default();
        outflows.measure(&document);
        Self { outflows, document }
    }

    fn per_customer() -> Self {
        Self::new("\"customer\"", "asset = \"USDT\"")
    }

    fn taken(&self, mine: &Outflow, place: Place, at: u64) -> Taken {
        let (rule, limit) = self.document.windows().next().unwrap();
        self.outflows.taken(rule, limit, mine, place, TimestampMs(at))
    }
}

fn known(amount: u64) -> Taken {
    Taken::Known(Amount::from_u128(amount.into()))
}

#[test]
fn window_begins_after_its_first_millisecond() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 7), OutflowStage::Authorized);
    window.outflows.pay(1, TimestampMs(5_000));
    let mine = outflow("a", 1);
    assert_eq!(window.taken(&mine, 2, 5_000), known(7));
    assert_eq!(window.taken(&mine, 2, 5_999), known(7));
    assert_eq!(window.taken(&mine, 2, 6_000), known(0));
}

#[test]
fn earlier_request_has_the_place_and_the_later_one_sees_it() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 60), reserved(9_000));
    window.outflows.hold_place(2, outflow("a", 50), reserved(9_000));
    assert_eq!(window.taken(&outflow("a", 60), 1, 100), known(0));
    assert_eq!(window.taken(&outflow("a", 50), 2, 100), known(60));
}

#[test]
fn what_is_authorized_counts_for_earlier_requests_too_and_never_ages() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(2, outflow("a", 50), OutflowStage::Authorized);
    assert_eq!(window.taken(&outflow("a", 60), 1, u64::MAX), known(50));
    window.outflows.advance(TimestampMs(u64::MAX));
    assert_eq!(window.taken(&outflow("a", 60), 1, u64::MAX), known(50));
}

#[test]
fn reservation_ends_at_its_moment_whether_or_not_an_entry_says_so() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 60), reserved(200));
    let mine = outflow("a", 1);
    assert_eq!(window.taken(&mine, 2, 199), known(60));
    assert_eq!(window.taken(&mine, 2, 200), known(0));
    window.outflows.advance(TimestampMs(200));
    assert_eq!(window.outflows.open().count(), 0);
}

#[test]
fn window_in_which_nothing_counts_any_more_takes_no_memory() {
    let mut window = Window::new("\"customer\"", "unit = \"usd_cents\"");
    assert_eq!(window.outflows.meters.len(), 0);
    for (place, customer, usd_cents) in [(1, "a", Some(60)), (2, "b", Some(50)), (3, "c", None)] {
        let outflow = Outflow { usd_cents, ..outflow(customer, 1) };
        window.outflows.hold_place(place, outflow, OutflowStage::Authorized);
    }
    assert_eq!(window.outflows.meters.len(), 3);
    window.outflows.leave(1);
    assert_eq!(window.outflows.meters.len(), 2);
    window.outflows.pay(2, TimestampMs(10));
    window.outflows.pay(3, TimestampMs(10));
    assert_eq!(window.outflows.meters.len(), 2);
    window.outflows.advance(TimestampMs(10 + MAX_WINDOW.0));
    assert_eq!(window.outflows.meters.len(), 0);
}

#[test]
fn place_that_was_given_up_is_free() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 60), OutflowStage::Authorized);
    window.outflows.leave(1);
    assert_eq!(window.taken(&outflow("a", 1), 2, 10), known(0));
}

#[test]
fn replacement_of_what_was_paid_does_not_find_itself_in_the_window() {
    let mut window = Window::per_customer();
    let mine = outflow("a", 60);
    window.outflows.hold_place(1, mine.clone(), OutflowStage::Authorized);
    window.outflows.pay(1, TimestampMs(10));
    window.outflows.hold_place(1, mine.clone(), reserved(9_000));
    assert_eq!(window.taken(&mine, 1, 20), known(0));
    assert_eq!(window.taken(&mine, 2, 20), known(60), "and it counts once for others");
}

#[test]
fn bump_of_what_was_paid_takes_its_own_payment_back_and_no_other() {
    // Given payments of one amount at two times, and another amount between them
    let mut window = Window::per_customer();
    for (place, amount, time) in [(1, 60, 5), (2, 50, 7), (3, 60, 10), (4, 60, 20)] {
        window.outflows.hold_place(place, outflow("a", amount), OutflowStage::Authorized);
        window.outflows.pay(place, TimestampMs(time));
    }
    // When the one of the second time is authorized again, by a bump
    window.outflows.hold_place(3, outflow("a", 60), OutflowStage::Authorized);
    // Then it is open, the others are paid, and each of them leaves the window in its own time
    let paid: Vec<_> = window.outflows.paid().map(|(_, place, _)| place).collect();
    assert_eq!(paid, [1, 2, 4]);
    let mine = outflow("a", 1);
    for (at, sum) in [(30, 230), (1_004, 230), (1_005, 170), (1_007, 120), (1_010, 120), (1_020, 60)] {
        assert_eq!(window.taken(&mine, 9, at), known(sum), "at {at}");
    }
}

#[test]
fn what_was_never_paid_is_not_taken_back() {
    let mut series = series::Series::default();
    series.push(TimestampMs(10), Amount::from_u128(7));
    for (time, amount) in [(10, 6), (9, 7), (11, 7)] {
        series.remove(TimestampMs(time), Amount::from_u128(amount));
        assert_eq!(
            series.sum(TimestampMs(10), DurationMs(5)),
            total::Total::of(Amount::from_u128(7)),
            "{amount} at {time}"
        );
    }
    series.remove(TimestampMs(10), Amount::from_u128(7));
    assert!(series.is_empty());
}

#[test]
fn only_what_was_asked_for_and_nobody_can_use_gives_its_place_up() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 1), OutflowStage::Authorized);
    for (place, customer) in [(2, "a"), (3, "b"), (4, "a")] {
        window.outflows.hold_place(place, outflow(customer, 1), reserved(9_000));
    }
    let b = CustomerRef::new("b").unwrap();
    window.outflows.free_places(|place, outflow| place == 4 || outflow.customer.as_ref() == Some(&b));
    assert_eq!(window.outflows.open().map(|(place, ..)| place).collect::<Vec<_>>(), [1, 3, 4]);
}

#[test]
fn others_customers_assets_and_clients_do_not_matter_unless_the_rule_says_so() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 60), OutflowStage::Authorized);
    let ether = Outflow { asset: AssetSymbol::parse("ETH").unwrap(), ..outflow("b", 5) };
    window.outflows.hold_place(2, ether, OutflowStage::Authorized);
    assert_eq!(window.taken(&outflow("b", 1), 3, 10), known(0));
    let mut wallet = Window::new("\"wallet\"", "asset = \"USDT\"");
    wallet.outflows.hold_place(1, outflow("a", 60), OutflowStage::Authorized);
    assert_eq!(wallet.taken(&outflow("b", 1), 3, 10), known(60));
}

#[test]
fn unknown_worth_makes_the_sum_unknown_until_it_has_left() {
    let mut window = Window::new("\"customer\"", "unit = \"usd_cents\"");
    let unpriced = Outflow { usd_cents: None, ..outflow("a", 5) };
    window.outflows.hold_place(1, unpriced, OutflowStage::Authorized);
    let mine = outflow("a", 1);
    assert_eq!(window.taken(&mine, 2, 10), Taken::Unknown);
    window.outflows.pay(1, TimestampMs(10));
    assert_eq!(window.taken(&mine, 2, 1_009), Taken::Unknown);
    assert_eq!(window.taken(&mine, 2, 1_010), known(0));
}

#[test]
fn sums_that_run_over_are_unknown() {
    let mut window = Window::per_customer();
    for place in [1, 2] {
        let all = Outflow { amount: Amount::MAX, ..outflow("a", 0) };
        window.outflows.hold_place(place, all, OutflowStage::Authorized);
        window.outflows.pay(place, TimestampMs(place));
    }
    assert_eq!(window.taken(&outflow("a", 1), 3, 10), Taken::Unknown);
}

/// Totals of 2^256 and more, in a replica that saw them come and go and in one that was restored afterwards.
#[test]
fn running_and_restored_replica_agree_about_sums_near_the_largest_amount() {
    let all = Outflow { amount: Amount::MAX, ..outflow("a", 0) };
    let pay = |window: &mut Window, place: Place, at: u64| {
        window.outflows.advance(TimestampMs(at));
        window.outflows.hold_place(place, all.clone(), OutflowStage::Authorized);
        window.outflows.pay(place, TimestampMs(at));
    };
    let mut running = Window::per_customer();
    for place in 1..4 {
        pay(&mut running, place, 10 + place);
    }
    let later = 12 + MAX_WINDOW.0;
    running.outflows.advance(TimestampMs(later));
    assert_eq!(running.outflows.paid().count(), 1);
    pay(&mut running, 9, later);
    let mut restored = Window::per_customer();
    restored.outflows = Outflows::restore(
        running.outflows.open().map(|(place, outflow, stage)| (place, outflow.clone(), stage)),
        running.outflows.paid().map(|(time, place, outflow)| (time, place, outflow.clone())),
    );
    restored.outflows.measure(&restored.document);
    let mine = outflow("a", 1);
    for at in [later, later + WINDOW - 1, later + WINDOW] {
        let expected = if at < later + WINDOW { Taken::Known(Amount::MAX) } else { known(0) };
        assert_eq!(running.taken(&mine, 20, at), expected);
        assert_eq!(restored.taken(&mine, 20, at), expected);
    }
}

#[test]
fn client_and_customer_have_so_many_places_that_are_only_asked_for() {
    let mut window = Window::per_customer();
    let room = |window: &Window, customer: &str, at: u64| {
        let mine = outflow(customer, 1);
        window.outflows.room(&mine.client, mine.customer.as_ref(), TimestampMs(at))
    };
    for place in 0..MAX_PLACES_OF_CUSTOMER {
        assert_eq!(room(&window, "a", 10), Ok(()));
        window.outflows.hold_place(place, outflow("a", 1), reserved(100 + place));
    }
    assert_eq!(room(&window, "a", 99), Err(Crowded::Customer));
    assert_eq!(room(&window, "b", 99), Ok(()));
    assert_eq!(room(&window, "a", 100), Ok(()), "the first one ended, and no entry says so");
    window.outflows.hold_place(5, outflow("a", 1), OutflowStage::Authorized);
    assert_eq!(room(&window, "a", 99), Ok(()), "what is authorized is counted by the limits");
    window.outflows.leave(6);
    window.outflows.hold_place(MAX_PLACES_OF_CUSTOMER, outflow("a", 1), reserved(900));
    assert_eq!(room(&window, "a", 99), Ok(()));
    for place in 2_000..2_000 + MAX_PLACES_OF_CLIENT - (MAX_PLACES_OF_CUSTOMER - 1) {
        assert_eq!(room(&window, "b", 99), Ok(()));
        window.outflows.hold_place(place, outflow(&format!("c-{place}"), 1), reserved(900));
    }
    assert_eq!(room(&window, "b", 99), Err(Crowded::Client));
    window.outflows.free_places(|place, _| place != 2_000);
    assert_eq!(room(&window, "b", 99), Ok(()));
}

#[test]
fn thief_with_one_clients_key_takes_no_place_of_a_customer_at_another_client() {
    let mut window = Window::per_customer();
    for place in 0..MAX_PLACES_OF_CUSTOMER {
        window.outflows.hold_place(place, outflow("a", 1), reserved(900));
    }
    let (customer, other) = (CustomerRef::new("a").unwrap(), ClientId::new("other").unwrap());
    let mine = outflow("a", 1).client;
    let room = |client| window.outflows.room(client, Some(&customer), TimestampMs(10));
    assert_eq!((room(&mine), room(&other)), (Err(Crowded::Customer), Ok(())));
}

#[test]
fn restored_replica_counts_places_like_one_that_kept_running() {
    let open = (0..MAX_PLACES_OF_CUSTOMER).map(|place| (place, outflow("a", 1), reserved(100)));
    let restored = Outflows::restore(open, []);
    let mine = outflow("a", 1);
    assert_eq!(restored.room(&mine.client, mine.customer.as_ref(), TimestampMs(1)), Err(Crowded::Customer));
}

#[test]
fn clone_is_a_copy_of_its_own() {
    let mut window = Window::per_customer();
    window.outflows.hold_place(1, outflow("a", 60), OutflowStage::Authorized);
    let copy = window.outflows.clone();
    window.outflows.leave(1);
    assert_eq!(copy.open().count(), 1);
}

fn from_wallet(wallet: &str, amount: u64) -> Outflow {
    Outflow { wallet: WalletId::new(wallet).unwrap(), ..outflow("a", amount) }
}

#[test]
fn ceiling_adds_up_what_leaves_all_wallets_of_the_tier_and_no_other() {
    let mut tier = Window::of_tier("unit = \"usd_cents\"");
    for (place, wallet, amount) in [(1, "hot-1", 60), (2, "hot-2", 5), (3, "cold-1", 700)] {
        tier.outflows.hold_place(place, from_wallet(wallet, amount), OutflowStage::Authorized);
    }
    assert_eq!(tier.taken(&from_wallet("hot-1", 1), 4, 10), known(65));
    assert_eq!(tier.taken(&from_wallet("hot-2", 1), 4, 10), known(65));
    let (_, limit) = tier.document.windows().next().unwrap();
    assert_eq!(limit.value_of(&from_wallet("cold-1", 1)), None, "the ceiling says nothing about it");
}

#[test]
fn unpriced_payment_of_another_tier_does_not_make_the_sum_unknown() {
    let mut tier = Window::of_tier("unit = \"usd_cents\"");
    let unpriced = |wallet| Outflow { usd_cents: None, ..from_wallet(wallet, 5) };
    tier.outflows.hold_place(1, unpriced("cold-1"), OutflowStage::Authorized);
    assert_eq!(tier.taken(&from_wallet("hot-1", 1), 3, 10), known(0));
    tier.outflows.hold_place(2, unpriced("hot-2"), OutflowStage::Authorized);
    assert_eq!(tier.taken(&from_wallet("hot-1", 1), 3, 10), Taken::Unknown);
}

#[test]
fn window_with_nothing_in_common_adds_everything_up() {
    let mut window = Window::new("", "asset = \"USDT\"");
    window.outflows.hold_place(1, from_wallet("hot-1", 60), OutflowStage::Authorized);
    window.outflows.hold_place(
        2,
        Outflow { customer: None, ..from_wallet("cold-1", 7) },
        OutflowStage::Authorized,
    );
    assert_eq!(window.taken(&outflow("b", 1), 3, 10), known(67));
    assert_eq!(window.outflows.meters.len(), 1);
}

/// What a log does to outflows.
#[derive(Debug, Clone)]
enum Step {
    Ask { customer: u8, amount: u64, life: u64 },
    Refuse(usize),
    Authorize(usize),
    Pay(usize),
    Wait(u64),
    Measure,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 1_u64..50, 1_u64..2_000)
            .prop_map(|(customer, amount, life)| Step::Ask { customer, amount, life }),
        1 => (0_usize..8).prop_map(Step::Refuse),
        3 => (0_usize..8).prop_map(Step::Authorize),
        3 => (0_usize..8).prop_map(Step::Pay),
        3 => (1_u64..700).prop_map(Step::Wait),
        1 => Just(Step::Measure),
        1 => Just(Step::Restore),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Open { until: u64 },
    Gone,
    Authorized,
    Paid(u64),
}

/// Adds everything up by hand that `together` says is in one meter.
fn by_hand(all: &[(u8, u64, Fate)], together: impl Fn(u8) -> bool, place: usize, at: u64) -> u64 {
    let counts = |other: usize, fate: Fate| match fate {
        Fate::Open { until } => other < place && at < until,
        Fate::Gone => false,
        Fate::Authorized => other != place,
        Fate::Paid(time) => other != place && time + WINDOW > at,
    };
    let others = all.iter().enumerate();
    others.filter(|(other, (who, _, fate))| together(*who) && counts(*other, *fate)).map(|(_, it)| it.1).sum()
}

/// Takes the steps, and compares every sum with that of the oracle after each of them.
fn compare_with_oracle(
    mut window: Window,
    steps: Vec<Step>,
    outflow: impl Fn(u8, u64) -> Outflow,
    together: impl Fn(u8, u8) -> bool,
) -> Result<(), TestCaseError> {
    let mut all: Vec<(u8, u64, Fate)> = Vec::new();
    let mut now = 10_u64;
    let place = |it: usize| u64::try_from(it).unwrap();
    for step in steps {
        match step {
            Step::Ask { customer, amount, life } => {
                let stage = reserved(now + life);
                window.outflows.hold_place(place(all.len()), outflow(customer, amount), stage);
                all.push((customer, amount, Fate::Open { until: now + life }));
            }
            Step::Refuse(it) => {
                if let Some((_, _, fate @ Fate::Open { .. })) = all.get_mut(it) {
                    *fate = Fate::Gone;
                    window.outflows.leave(place(it));
                }
            }
            Step::Authorize(it) => {
                if let Some((customer, amount, fate @ Fate::Open { .. })) = all.get_mut(it)
                    && let Fate::Open { until } = *fate
                    && now < until
                {
                    *fate = Fate::Authorized;
                    let again = outflow(*customer, *amount);
                    window.outflows.hold_place(place(it), again, OutflowStage::Authorized);
                }
            }
            Step::Pay(it) => {
                if let Some((_, _, fate @ Fate::Authorized)) = all.get_mut(it) {
                    *fate = Fate::Paid(now);
                    window.outflows.pay(place(it), TimestampMs(now));
                }
            }
            Step::Wait(time) => {
                now += time;
                window.outflows.advance(TimestampMs(now));
            }
            Step::Measure => window.outflows.measure(&window.document.clone()),
            Step::Restore => {
                let open: Vec<_> = window.outflows.open().map(|(p, o, s)| (p, o.clone(), s)).collect();
                let paid: Vec<_> = window.outflows.paid().map(|(t, p, o)| (t, p, o.clone())).collect();
                window.outflows = Outflows::restore(open, paid);
                window.outflows.measure(&window.document.clone());
            }
        }
        // What nothing is together with, the limit says nothing about.
        for (number, (mine, amount, _)) in all.iter().enumerate().filter(|(_, it)| together(it.0, it.0)) {
            for at in [now, now + 1, now + WINDOW - 1, now + WINDOW] {
                let expected = by_hand(&all, |other| together(*mine, other), number, at);
                let taken = window.taken(&outflow(*mine, *amount), place(number), at);
                prop_assert_eq!(taken, known(expected));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn window_sums_are_those_of_an_oracle_that_adds_everything_up(steps in prop::collection::vec(step(), 1..60)) {
        let of = |customer: u8, amount| outflow(&customer.to_string(), amount);
        compare_with_oracle(Window::per_customer(), steps, of, |mine, other| mine == other)?;
    }

    #[test]
    fn sums_of_a_tier_are_those_of_an_oracle_that_adds_up_its_wallets(steps in prop::collection::vec(step(), 1..60)) {
        let of = |wallet: u8, amount| from_wallet(["hot-1", "hot-2", "cold-1"][usize::from(wallet)], amount);
        compare_with_oracle(Window::of_tier("unit = \"usd_cents\""), steps, of, |mine, other| mine < 2 && other < 2)?;
    }
}
