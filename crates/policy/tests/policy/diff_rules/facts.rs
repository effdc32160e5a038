//! Random states and withdrawals that these documents meet.

use super::*;

#[derive(Debug, Clone)]
pub(super) struct Facts {
    amount: u8,
    price: Option<u8>,
    report: Option<(bool, bool, u64)>,
    hour: u64,
    requested_before: u64,
    approvers: Vec<(u8, bool)>,
    attested: Vec<(u8, u8, u64)>,
    exposures: [Option<(u8, Option<u8>, u64)>; 2],
    travel: [Option<usize>; 2],
    freezes: u8,
    order: Option<(u8, bool)>,
    registered: bool,
}

pub(super) fn facts() -> impl Strategy<Value = Facts> {
    let exposed = || {
        prop::option::weighted(
            0.8,
            (
                prop::sample::select(vec![0_u8, 5, 15, 25, 35, 55, 75, 95]),
                prop::option::of(0_u8..4),
                0..2 * HOUR,
            ),
        )
    };
    let told = || prop::option::weighted(0.8, prop::sample::select(vec![0_usize, 0, 1, 1, 1, 2, 3, 4]));
    let first = (
        1_u8..10,
        prop::option::weighted(0.9, 1_u8..4),
        prop::option::weighted(
            0.95,
            (prop::bool::weighted(0.3), prop::bool::weighted(0.3), 0..DAY + DAY / 20),
        ),
        0..7 * 24_u64,
        prop::sample::select(vec![0, HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR, 4 * HOUR, 6 * HOUR]),
        prop::collection::vec((0_u8..5, prop::bool::weighted(0.7)), 0..6),
    );
    let second = (
        prop::collection::vec(
            (prop::sample::select(vec![0_u8, 0, 0, 1, 2, 3]), 68_u8..100, 0..2 * HOUR),
            0..3,
        ),
        [exposed(), exposed()],
        [told(), told()],
        prop::sample::select(vec![0_u8, 0, 0, 0, 0, 0, 0, 1, 2, 4]),
        prop::option::weighted(0.15, (0_u8..4, any::<bool>())),
        prop::bool::weighted(0.95),
    );
    (first, second).prop_map(
        |(
            (amount, price, report, hour, requested_before, approvers),
            (attested, exposures, travel, freezes, order, registered),
        )| Facts {
            amount,
            price,
            report,
            hour,
            requested_before,
            approvers,
            attested,
            exposures,
            travel,
            freezes,
            order,
            registered,
        },
    )
}

impl Facts {
    fn at(&self) -> u64 {
        NOW + self.hour * HOUR
    }

    fn world(&self, document: &str) -> World {
        let mut world = World::with_policy(document);
        let at = self.at();
        world.sessions.clear();
        if let Some((device, factor, age)) = self.report {
            let mut report = session(device, factor);
            report.observed_at = TimestampMs(at - age);
            world.sessions.insert(customer("alice"), report);
        }
        if let Some(price) = self.price {
            let price =
                UsdPrice { price: MicroUsd(u64::from(price) * 10_000_000_000), observed_at: TimestampMs(at) };
            world.prices = [(symbol("USDT"), price)].into();
        }
        let mut activity = holdfast_policy::Activity::default();
        if self.registered {
            activity.register(&customer("alice"), TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - DAY)));
        }
        world.activity = Some(activity);
        for (name, exposed) in ["chainwatch", "tracer"].into_iter().zip(&self.exposures) {
            let Some((score, hops, age)) = *exposed else { continue };
            let provider: holdfast_policy::ProviderId = name.parse().unwrap();
            let signal = ExposureSignal {
                score,
                category: "mixer".parse().unwrap(),
                hops,
                observed_at: TimestampMs(at - age),
                provider: provider.clone(),
            };
            world.exposures.insert((ChainId(1), address(GOOD), provider), signal);
        }
        world.legal = self.legal();
        world
    }

    fn legal(&self) -> LegalFacts {
        let subjects = [FrozenSubject::Wallet, FrozenSubject::Customer, FrozenSubject::Destination];
        let frozen = subjects.into_iter().enumerate().filter(|(bit, _)| self.freezes & (1 << bit) != 0);
        let freezes = frozen.map(|(_, subject)| Freeze {
            subject,
            order: "o-freeze".parse().unwrap(),
            agency: "fiu".parse().unwrap(),
        });
        let releases = self.order.iter().map(|(standing, _)| Release {
            order: "o-release".parse().unwrap(),
            agency: "fiu".parse().unwrap(),
            wallet: withdrawal().wallet,
            asset: symbol("USDT"),
            amount: Amount::from_u128(if standing % 4 == 3 { 1 } else { self.amount.into() }),
            standing: match standing % 3 {
                0 => ReleaseStanding::Confirmed,
                1 => ReleaseStanding::Unconfirmed,
                _ => ReleaseStanding::Paid,
            },
        });
        LegalFacts { freezes: freezes.collect(), releases: releases.collect() }
    }

    fn bare(&self) -> WithdrawalFacts {
        let at = self.at();
        let attested = |(kind, score, age): &(u8, u8, u64)| IdentityAttestation {
            provider: ["kyc", "kyc-2"][usize::from(kind % 2)].parse().unwrap(),
            method: ["passkey", "id-document"][usize::from(kind / 2)].parse().unwrap(),
            score: *score,
            observed_at: TimestampMs(at - age),
            ..attestation()
        };
        let told = ["vasp-net", "other-net"].into_iter().zip(&self.travel).filter_map(|(provider, state)| {
            Some(TravelReport { provider: provider.parse().unwrap(), state: TravelState::ALL[(*state)?] })
        });
        let since = TimestampMs(at - self.requested_before);
        WithdrawalFacts {
            amount: Amount::from_u128(self.amount.into()),
            requested_at: since,
            first_requested_at: since,
            order: self.order.filter(|(_, names)| *names).map(|_| "o-release".parse().unwrap()),
            attestations: self.attested.iter().map(attested).collect(),
            travel: told.collect(),
            requesters: BTreeSet::new(),
            ..withdrawal()
        }
    }

    /// The same people approve whatever hold this document makes.
    pub(super) fn decide(&self, document: &str) -> Decision {
        let (world, at) = (self.world(document), self.at());
        let mut mine = self.bare();
        // Asked for this very moment, and by nobody approved or attested, it shows the hold.
        let now = TimestampMs(at);
        let shown = WithdrawalFacts {
            requested_at: now,
            first_requested_at: now,
            attestations: Vec::new(),
            ..mine.clone()
        };
        let hold = world.evaluate_at(&shown, at).hold().map(|hold| hold.digest());
        let hold = hold.unwrap_or(HoldDigest::from_bytes([0; 32]));
        let roles = |both: bool| if both { vec![APPROVER, "compliance"] } else { vec![APPROVER] };
        let approve = |(officer, both): &(u8, bool)| {
            let mut given = approval(&format!("officer-{officer}"), &roles(*both), hold);
            given.expires_at = TimestampMs(at + DAY);
            given
        };
        mine.approvals = self.approvers.iter().map(approve).collect();
        world.evaluate_at(&mine, at)
    }
}
