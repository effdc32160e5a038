//! Tests of what replay keeps: crowds, and that snapshots make the same again.

use super::*;
use crate::{
    ids::{ClientId, ProviderId},
    session::SessionDetails,
};

const NOW: TimestampMs = TimestampMs(1_763_700_000_000);

fn customer(name: &str) -> CustomerRef {
    CustomerRef::new(name).unwrap()
}

fn signals(device: &str) -> SessionSignals {
    SessionSignals {
        new_device: false,
        second_factor_reset: false,
        details: SessionDetails {
            device: Some(DeviceRef::new(device).unwrap()),
            ..SessionDetails::default()
        },
        observed_at: NOW,
        provider: ProviderId::new("sessions").unwrap(),
    }
}

fn replayed() -> Activity {
    let mut activity = Activity::default();
    activity.register(&customer("old"), TimestampMs(0), None);
    activity.register(&customer("new"), NOW, None);
    for name in ["old", "new"] {
        activity.record_session(&customer(name), &signals("d-1"));
        activity.record_payment(
            &WalletId::new("hot-1").unwrap(),
            ChainId(1),
            Some(&customer(name)),
            &PaymentSeen {
                at: NOW,
                destination: &Address::from_bytes([7; 20]),
                usd_cents: Some(5),
                client: &ClientId::new("web").unwrap(),
            },
        );
    }
    activity
}

#[test]
fn crowds_count_customers_and_those_with_new_accounts() {
    let activity = replayed();
    let paid = activity.destination(ChainId(1), &Address::from_bytes([7; 20]));
    assert_eq!((paid.others(&customer("third")), paid.fresh()), (2, 1));
    assert_eq!(activity.destination(ChainId(2), &Address::from_bytes([7; 20])).first(), None);
    assert_eq!(activity.device(&DeviceRef::new("d-1").unwrap()).others(&customer("old")), 1);
}

#[test]
fn what_snapshots_keep_makes_the_same_activity_again() {
    let activity = replayed();
    let records = activity.records();
    let contents: Vec<_> = records
        .references()
        .zip(records.contents())
        .map(|((bound, reference), bytes)| (bound.to_vec(), reference, bytes.to_vec()))
        .collect();
    let mut again = Activity::from_contents(contents, &Pages::default()).unwrap();
    for (wallet, chain, address) in activity.look_alikes().iter() {
        again.restore_look_alike(wallet, chain, address);
    }
    assert_eq!(all(&activity), all(&again));
    assert_eq!(activity.look_alikes().len(), again.look_alikes().len());
}

fn all(activity: &Activity) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    activity.records().for_each(|key, value| all.push((key.to_vec(), value.to_vec())));
    all
}

#[test]
fn pages_with_records_that_are_none_make_no_activity() {
    let good = [
        (customer_key(&customer("c-1")), CustomerHistory::default().pack()),
        (device_key(DeviceKey([7; 8])), replayed().device(&DeviceRef::new("d-1").unwrap()).pack()),
    ];
    let bad = [
        (customer_key(&customer("c-1")), vec![9]),
        (b"cNOBODY".to_vec(), good[0].1.clone()),
        (b"d1234567".to_vec(), good[1].1.clone()),
        (b"p1234567".to_vec(), good[1].1.clone()),
        (good[1].0.clone(), good[0].1.clone()),
        (b"x".to_vec(), good[1].1.clone()),
        (Vec::new(), good[1].1.clone()),
    ];
    let made = |record: &(Vec<u8>, Vec<u8>)| {
        let mut map = PagedMap::default();
        map.update(&record.0, |_| Some(record.1.clone()));
        let ((bound, reference), bytes) = map.references().zip(map.contents()).next().unwrap();
        Activity::from_contents(vec![(bound.to_vec(), reference, bytes.to_vec())], &Pages::default())
    };
    assert!(good.iter().all(|record| made(record).is_some()));
    for record in &bad {
        assert!(made(record).is_none(), "{record:?}");
    }
}

#[test]
fn withdrawal_of_the_house_teaches_nothing_about_customers() {
    let mut activity = Activity::default();
    let payment = PaymentSeen {
        at: NOW,
        destination: &Address::from_bytes([7; 20]),
        usd_cents: Some(5),
        client: &ClientId::new("web").unwrap(),
    };
    activity.record_payment(&WalletId::new("hot-1").unwrap(), ChainId(1), None, &payment);
    assert!(activity.records().is_empty());
    assert_eq!(activity.look_alikes().len(), 1);
}
