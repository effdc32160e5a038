//! Pages of a list: bounded in what they return and in what they look at.

use holdfast_proto::convert::FieldError;
use holdfast_proto::limits::{DEFAULT_PAGE_SIZE, PAGE_SIZE, PAGE_TOKEN_BYTES};

/// Items that one call looks at. With a filter that few of them pass, a page may be short and still have a next one.
const LOOKED_AT: usize = 20_000;

/// How many items a page may hold.
pub(super) fn size(page_size: u32) -> Result<usize, FieldError> {
    let size = match page_size {
        0 => DEFAULT_PAGE_SIZE,
        1..=PAGE_SIZE => page_size,
        _ => return Err(FieldError::new("page_size", format!("must be at most {PAGE_SIZE}"))),
    };
    usize::try_from(size).map_err(|_| FieldError::new("page_size", "is too large"))
}

/// The log index before which a page of newest items begins.
pub(super) fn before(page_token: &str) -> Result<u64, FieldError> {
    if page_token.is_empty() {
        return Ok(u64::MAX);
    }
    text(page_token)?
        .strip_prefix('i')
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| FieldError::new("page_token", "is not one that a page before returned"))
}

/// The token of a page that continues before this log index.
pub(super) fn token(index: u64) -> String {
    format!("i{index}")
}

/// A token within its bounds.
pub(super) fn text(page_token: &str) -> Result<&str, FieldError> {
    if page_token.len() > PAGE_TOKEN_BYTES {
        return Err(FieldError::new("page_token", format!("must have at most {PAGE_TOKEN_BYTES} bytes")));
    }
    Ok(page_token)
}

/// At most `size` of the items that pass, and the position after which the next page goes on.
pub(super) fn page<P: Copy, I, V>(
    items: impl Iterator<Item = (P, I)>,
    size: usize,
    mut pass: impl FnMut(I) -> Option<V>,
) -> (Vec<V>, Option<P>) {
    let (mut values, mut last) = (Vec::new(), None);
    for (looked_at, (position, item)) in items.enumerate() {
        if values.len() >= size || looked_at >= LOOKED_AT {
            return (values, last);
        }
        last = Some(position);
        values.extend(pass(item));
    }
    (values, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: u64) -> impl Iterator<Item = (u64, u64)> {
        (0..count).rev().map(|i| (i, i))
    }

    fn all_pages(count: u64, size: usize, pass: fn(u64) -> Option<u64>) -> Vec<u64> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let before = before(&token).unwrap();
            let (values, next) = page(items(count).filter(|(i, _)| *i < before), size, pass);
            assert!(values.len() <= size);
            all.extend(values);
            match next {
                Some(index) => token = super::token(index),
                None => return all,
            }
        }
    }

    #[test]
    fn pages_together_hold_every_item_once_and_newest_first() {
        let expected: Vec<u64> = (0..25).rev().collect();
        for size in [1, 5, 7, 24, 25, 26, 100] {
            assert_eq!(all_pages(25, size, Some), expected, "{size}");
        }
    }

    #[test]
    fn filter_that_few_items_pass_ends_a_call_early_but_loses_nothing() {
        let rare = |i: u64| i.is_multiple_of(15_000).then_some(i);
        assert_eq!(all_pages(50_000, 10, rare), [45_000, 30_000, 15_000, 0]);
        let (values, next) = page(items(50_000), 10, |_| None::<u64>);
        assert!(values.is_empty() && next.is_some());
    }

    #[test]
    fn last_page_that_is_exactly_full_has_no_next_one() {
        assert_eq!(page(items(3), 3, Some), (vec![2, 1, 0], None));
    }

    #[test]
    fn sizes_and_tokens_out_of_bounds_name_their_field() {
        assert_eq!((size(0).unwrap(), size(100).unwrap()), (50, 100));
        assert_eq!(size(101).unwrap_err().field, "page_size");
        for token in ["x", "i", "i-1", "i18446744073709551616", "7", &"i".repeat(129)] {
            assert_eq!(before(token).unwrap_err().field, "page_token", "{token}");
        }
    }
}
