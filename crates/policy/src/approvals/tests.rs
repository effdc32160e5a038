//! Tests of the matching: it is exact, so it is compared with trying every assignment.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use proptest::prelude::*;

use super::*;

fn required(roles: &[(&str, u32)]) -> RequiredApprovals {
    roles.iter().map(|(role, count)| (RoleName::new(*role).unwrap(), *count)).collect()
}

fn people(people: &[(&str, &[&str])]) -> BTreeMap<OfficerId, BTreeSet<RoleName>> {
    let roles = |roles: &[&str]| roles.iter().map(|role| RoleName::new(*role).unwrap()).collect();
    people.iter().map(|(officer, of)| (OfficerId::new(*officer).unwrap(), roles(of))).collect()
}

fn assigned(needs: &RequiredApprovals, who: &BTreeMap<OfficerId, BTreeSet<RoleName>>) -> Assignment {
    fill(needs, &who.iter().map(|(officer, roles)| (officer, roles.iter().collect())).collect())
}

#[test]
fn greedy_choice_that_would_fail_is_undone() {
    let who = people(&[("ann", &["a", "b"]), ("ben", &["a"])]);
    let assignment = assigned(&required(&[("a", 1), ("b", 1)]), &who);
    assert!(assignment.is_complete());
    let filled: Vec<_> = assignment.filled.iter().map(|c| (c.role.as_str(), c.officer.as_str())).collect();
    assert_eq!(filled, [("a", "ben"), ("b", "ann")]);
}

#[test]
fn long_chain_of_displacements_is_followed() {
    let who = people(&[("a", &["r1", "r2"]), ("b", &["r2", "r3"]), ("c", &["r3", "r4"]), ("d", &["r1"])]);
    assert!(assigned(&required(&[("r1", 1), ("r2", 1), ("r3", 1), ("r4", 1)]), &who).is_complete());
}

#[test]
fn one_person_with_all_roles_fills_one() {
    let who = people(&[("ann", &["a", "b", "c"])]);
    let assignment = assigned(&required(&[("a", 1), ("b", 1), ("c", 1)]), &who);
    assert_eq!(assignment.filled.len(), 1);
    assert_eq!(assignment.missing.values().sum::<u32>(), 2);
}

#[test]
fn role_that_nobody_has_is_reported_missing_with_its_full_count() {
    let assignment = assigned(&required(&[("a", 1), ("b", 2)]), &people(&[("ann", &["a"])]));
    assert_eq!(assignment.missing, required(&[("b", 2)]));
}

#[test]
fn quorum_is_not_met_by_one_person_under_two_entries() {
    let needs = required(&[("a", 1), ("b", 1)]);
    let approved = |list: &[(&str, &[&str])]| -> Vec<_> {
        list.iter().map(|(officer, roles)| people(&[(officer, roles)]).pop_first().unwrap()).collect()
    };
    assert!(!quorum_is_met(&needs, &approved(&[("ann", &["a"]), ("ann", &["b"])])));
    assert!(!quorum_is_met(&needs, &approved(&[("ann", &["a", "b"])])));
    assert!(!quorum_is_met(&needs, &[]));
    assert!(quorum_is_met(&needs, &approved(&[("ann", &["a", "b"]), ("ben", &["a"])])));
}

#[test]
fn free_seats_are_those_of_the_best_way_to_seat_people() {
    let needs = required(&[("a", 2), ("b", 1)]);
    let approved: Vec<_> = people(&[("ann", &["a", "b"]), ("ben", &["a"])]).into_iter().collect();
    assert_eq!(still_missing(&needs, &approved[..1]).values().sum::<u32>(), 2);
    assert_eq!(still_missing(&needs, &approved).values().sum::<u32>(), 1);
    assert!(still_missing(&required(&[("a", 1), ("b", 1)]), &approved).is_empty());
}

/// The largest number of seats that any assignment fills, by trying all.
fn best(seats: &[&RoleName], who: &mut Vec<&BTreeSet<RoleName>>) -> usize {
    let Some((seat, rest)) = seats.split_first() else { return 0 };
    let mut most = best(rest, who);
    for index in 0..who.len() {
        if who[index].contains(*seat) {
            let person = who.swap_remove(index);
            most = most.max(1 + best(rest, who));
            who.push(person);
            let last = who.len() - 1;
            who.swap(index, last);
        }
    }
    most
}

proptest! {
    #[test]
    fn matching_fills_as_many_seats_as_trying_every_assignment(
        counts in proptest::collection::vec(0_u32..3, 3),
        roles in proptest::collection::vec(0_u8..8, 0..6),
    ) {
        let names = ["a", "b", "c"].map(|name| RoleName::new(name).unwrap());
        let needs: RequiredApprovals = names.iter().cloned().zip(counts).filter(|(_, count)| *count > 0).collect();
        let who: BTreeMap<_, BTreeSet<_>> = (0..).zip(&roles).map(|(n, bits)| {
            let held = names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| name.clone());
            (OfficerId::new(format!("officer-{n}")).unwrap(), held.collect())
        }).collect();
        let assignment = assigned(&needs, &who);

        let seats: Vec<_> = needs.iter().flat_map(|(role, count)| (0..*count).map(move |_| role)).collect();
        let most = best(&seats, &mut who.values().collect());
        prop_assert_eq!(assignment.filled.len(), most);
        let missing: u32 = assignment.missing.values().sum();
        prop_assert_eq!(assignment.filled.len() + usize::try_from(missing).unwrap(), seats.len());
        let officers: BTreeSet<_> = assignment.filled.iter().map(|counted| &counted.officer).collect();
        prop_assert_eq!(officers.len(), assignment.filled.len(), "one person fills one role");
        for counted in &assignment.filled {
            prop_assert!(who[&counted.officer].contains(&counted.role));
        }
    }
}
