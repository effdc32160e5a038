//! Random states and withdrawals that a random document meets.

use super::*;

#[derive(Debug, Clone)]
pub(super) struct Facts {
    amount: u64,
    fee_cap: u64,
    who: [bool; 3],
    sanctioned: bool,
    customer: bool,
    report: Option<(bool, bool, u64)>,
    entry_age: u64,
    paused: bool,
    lists: u8,
    price: Option<u64>,
    earlier: Vec<(u8, u64, u8, Option<u64>)>,
    approvers: Vec<(u8, bool)>,
    requested_before: u64,
}

pub(super) fn facts() -> impl Strategy<Value = Facts> {
    let report = prop::option::weighted(0.9, (any::<bool>(), any::<bool>(), 0..DAY + DAY / 8));
    let earlier =
        prop::collection::vec((0_u8..3, 1_u64..5, 0_u8..32, prop::option::weighted(0.9, 1_u64..5)), 0..4);
    let approvers = prop::collection::vec((0_u8..4, any::<bool>()), 0..5);
    let first = (
        0_u64..10,
        0_u64..8,
        [prop::bool::weighted(0.5), prop::bool::weighted(0.2), prop::bool::weighted(0.2)],
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.9),
    );
    let second = (
        report,
        0..3 * DAY,
        prop::bool::weighted(0.05),
        prop::sample::select(vec![7_u8, 7, 7, 1, 3]),
        prop::option::weighted(0.7, 1_u64..4),
    );
    (first, second, earlier, approvers, prop::sample::select(vec![0_u64, 0, 0, DAY])).prop_map(
        |(
            (amount, fee_cap, who, sanctioned, customer),
            (report, entry_age, paused, lists, price),
            earlier,
            approvers,
            requested_before,
        )| Facts {
            amount,
            fee_cap,
            who,
            sanctioned,
            customer,
            report,
            entry_age,
            paused,
            lists,
            price,
            earlier,
            approvers,
            requested_before,
        },
    )
}

impl Facts {
    fn asset(&self) -> AssetSymbol {
        symbol(if self.who[0] { "ETH" } else { "USDT" })
    }

    fn world(&self, document: &str) -> World {
        let mut world = World::with_policy(document);
        let names = ["ofac-eth", "extra", "absent"];
        world.lists = (0..3)
            .filter(|bit| self.lists & (1 << bit) != 0)
            .map(|bit| list(names[bit], &[SANCTIONED]))
            .collect();
        let status = if self.paused { WalletStatus::Paused } else { WalletStatus::Active };
        world.wallets = ["hot-1", "hot-2"].map(|wallet| (wallet.parse().unwrap(), status)).into();
        world.sessions.clear();
        if let Some((device, factor, age)) = self.report {
            let mut report = session(device, factor);
            report.observed_at = TimestampMs(NOW - age);
            world.sessions.insert(customer("alice"), report);
        }
        for entry in &mut world.entries {
            entry.not_before = TimestampMs(NOW - self.entry_age);
        }
        world.entries.push(entry("other", GOOD));
        world.prices.clear();
        if let Some(price) = self.price.filter(|_| world.document.prices().is_some()) {
            let price = UsdPrice { price: MicroUsd(price * 10_000_000_000), observed_at: TimestampMs(NOW) };
            world.prices = [(symbol("USDT"), price), (symbol("ETH"), price)].into();
        }
        let mine = self.bare();
        for (place, (stage, amount, same, cents)) in (1_u64..).zip(&self.earlier) {
            let outflow =
                self.earlier(&mine, *amount, *same, cents.filter(|_| world.document.prices().is_some()));
            match stage {
                0 => world.outflows.hold_place(place, outflow, OutflowStage::Authorized),
                1 => world.outflows.hold_place(
                    place,
                    outflow,
                    OutflowStage::Reserved { until: TimestampMs(NOW + 1) },
                ),
                _ => {
                    world.outflows.hold_place(place, outflow, OutflowStage::Authorized);
                    world.outflows.pay(place, TimestampMs(NOW - DAY / 4 * 3));
                }
            }
        }
        world
    }

    fn earlier(&self, mine: &WithdrawalFacts, amount: u64, same: u8, usd_cents: Option<u64>) -> Outflow {
        let like = |bit: u8| same & (1 << bit) != 0;
        Outflow {
            wallet: if like(0) { mine.wallet.clone() } else { "hot-2".parse().unwrap() },
            asset: if like(1) { mine.asset.clone() } else { symbol("USDT") },
            client: if like(2) { mine.client.clone() } else { "other".parse().unwrap() },
            customer: mine.customer.clone().filter(|_| like(3)),
            chain_id: holdfast_chains::ChainId(1),
            destination: if like(4) { mine.destination } else { address(GOOD) },
            amount: Amount::from_u128(amount.into()),
            usd_cents,
        }
    }

    fn bare(&self) -> WithdrawalFacts {
        WithdrawalFacts {
            wallet: if self.who[1] { "hot-2" } else { "hot-1" }.parse().unwrap(),
            client: if self.who[2] { "other" } else { "pipeline" }.parse().unwrap(),
            asset: self.asset(),
            amount: Amount::from_u128(self.amount.into()),
            fee_cap: Amount::from_u128(self.fee_cap.into()),
            destination: address(if self.sanctioned { SANCTIONED } else { GOOD }),
            customer: self.customer.then(|| customer("alice")),
            requested_at: TimestampMs(NOW - self.requested_before),
            ..withdrawal()
        }
    }

    /// The same people approve whatever hold this document makes.
    pub(super) fn decide(&self, document: &str) -> Decision {
        let world = self.world(document);
        let mut mine = self.bare();
        // What is asked for is looked at before its deadline, so that the hold can be seen.
        let early = WithdrawalFacts { requested_at: TimestampMs(NOW), ..mine.clone() };
        let hold = world.evaluate(&early).hold().map(|hold| hold.digest());
        let hold = hold.unwrap_or(HoldDigest::from_bytes([0; 32]));
        let roles = |both: bool| if both { vec![APPROVER, "compliance"] } else { vec![APPROVER] };
        let approve =
            |(officer, both): &(u8, bool)| approval(&format!("officer-{officer}"), &roles(*both), hold);
        mine.approvals = self.approvers.iter().map(approve).collect();
        world.evaluate(&mine)
    }

    pub(super) fn decide_own(&self, document: &str) -> Decision {
        self.world(document).evaluate_own(&self.bare())
    }
}
