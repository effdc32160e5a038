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
    let mut again = Activity::default();
    for (customer, packed) in activity.packed() {
        again.restore_customer(customer.clone(), packed).unwrap();
    }
    for (chain, address, crowd) in activity.destinations() {
        again.restore_destination(chain, *address, crowd.clone());
    }
    for (device, crowd) in activity.devices() {
        again.restore_device(device, crowd.clone());
    }
    for (wallet, chain, address) in activity.look_alikes().iter() {
        again.restore_look_alike(wallet, chain, address);
    }
    assert_eq!(format!("{activity:?}"), format!("{again:?}"));
    assert!(again.restore_customer(customer("x"), &[9]).is_err());
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
    assert_eq!(activity.packed().len() + activity.destinations().len(), 0);
    assert_eq!(activity.look_alikes().len(), 1);
}
