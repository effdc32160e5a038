//! Owns the static checks that look at more than one value: ids, and bounds that must be in order.

use std::collections::BTreeSet;

use super::{PolicyError, error::FieldProblem, toml_field::Field};
use crate::ids::{RESERVED_RULE_PREFIX, RuleId};

/// The ids given to rules so far. Grants and restrictions share one name space: decisions name rules by id alone.
#[derive(Default)]
pub(super) struct RuleIds(BTreeSet<RuleId>);

impl RuleIds {
    /// Reads a rule's id; refuses one that is taken, and the names of built-in rules.
    pub(super) fn claim(&mut self, field: &Field<'_>) -> Result<RuleId, PolicyError> {
        let id: RuleId = field.parse()?;
        if id.as_str().starts_with(RESERVED_RULE_PREFIX) {
            return Err(
                field.invalid(format_args!("`{RESERVED_RULE_PREFIX}` is reserved for built-in rules"))
            );
        }
        if !self.0.insert(id.clone()) {
            return Err(field.error(FieldProblem::Duplicate { value: id.to_string() }));
        }
        Ok(id)
    }
}

/// Refuses `value` if it is below `bound`, the value of the field `other`.
pub(super) fn not_below<T: PartialOrd>(
    field: &Field<'_>,
    value: &T,
    bound: Option<&T>,
    other: &'static str,
) -> Result<(), PolicyError> {
    match bound {
        Some(bound) if value < bound => Err(field.error(FieldProblem::BelowOther { other })),
        Some(_) | None => Ok(()),
    }
}
