//! Owns the `time_window` restriction: outside its days and hours nothing goes by itself.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    document::{Outside, TimeWindow},
    ids::RuleId,
    reason::ReasonCode,
};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, window: &'a TimeWindow) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::TimeWindow, rule };
    if window.contains(case.at) {
        return speaker.passes(ReasonCode::WithinTimeWindow, format!("it is {}", case.at));
    }
    let detail = format!("it is {}, outside the rule's days and hours", case.at);
    match &window.outside {
        Outside::Hold(approvals) => {
            speaker.holds(ReasonCode::OutsideTimeWindow, detail, approvals, Vec::new())
        }
        Outside::Deny => speaker.denies(ReasonCode::TimeWindowClosed, detail),
    }
}
