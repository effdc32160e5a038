//! Owns the differences of bands: a limit with several steps. Every value must need at least what it needed before.

use std::fmt;

use super::{
    Subject,
    rules::{approvals, listed},
};
use crate::document::{HoldAbove, HoldAt, Lift};

pub(super) fn amounts(subject: &mut Subject<'_>, old: &[HoldAbove], new: &[HoldAbove]) {
    let band = |band: &HoldAbove| (band.amount, band.lift.clone());
    let (old, new): (Vec<_>, Vec<_>) = (old.iter().map(band).collect(), new.iter().map(band).collect());
    changed(subject, "hold_above", &old, &new);
}

pub(super) fn scores(subject: &mut Subject<'_>, old: &[HoldAt], new: &[HoldAt]) {
    let band = |band: &HoldAt| (band.score, band.lift.clone());
    let (old, new): (Vec<_>, Vec<_>) = (old.iter().map(band).collect(), new.iter().map(band).collect());
    changed(subject, "hold_at", &old, &new);
}

fn changed<T: PartialOrd + fmt::Display>(
    subject: &mut Subject<'_>,
    field: &str,
    old: &[(T, Lift)],
    new: &[(T, Lift)],
) {
    if old == new {
        return;
    }
    if let ([] | [_], [] | [_]) = (old, new) {
        subject.limit(field, old.first().map(|band| &band.0), new.first().map(|band| &band.0));
        if let (Some((_, old)), Some((_, new))) = (old.first(), new.first()) {
            let timeless = |lift: &Lift| matches!(lift, Lift::Approvals { reject_after: None, .. });
            let field = if timeless(old) && timeless(new) { "approvals" } else { "lift" };
            subject.value(field, &lift(old), &lift(new));
        }
        return;
    }
    let what = format!("{field} {} -> {}", shown(old), shown(new));
    // Whatever lifts a value before, at least that is wanted now: each band begins no higher, and wants the very same.
    let kept = |(from, lift): &(T, Lift)| new.iter().any(|(then, wants)| then <= from && wants == lift);
    if old.iter().all(kept) { subject.tightens(what) } else { subject.loosens(what) }
}

fn shown<T: fmt::Display>(bands: &[(T, Lift)]) -> String {
    if bands.is_empty() {
        return "none".to_owned();
    }
    listed(bands.iter().map(|(from, wants)| format!("{from} ({})", lift(wants))))
}

fn lift(lift: &Lift) -> String {
    match lift {
        Lift::Approvals { approvals: people, reject_after: None } => approvals(people),
        Lift::Approvals { approvals: people, reject_after: Some(after) } => {
            format!("{} within {after}", approvals(people))
        }
        Lift::Release { after, approvals: None } => format!("released after {after}"),
        Lift::Release { after, approvals: Some(people) } => {
            format!("released after {after} or by {}", approvals(people))
        }
    }
}
