//! Owns the guess which name somebody meant who wrote another one. A guess is for the words of an error alone: nothing is ever
//! read under a name that nobody wrote.

/// The known name that is nearest to `name`, if one is near enough to be meant; of several the one named first.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = known.into_iter().filter_map(|known| Some((changes(name, known)?, known)));
    near.min_by_key(|(changes, _)| *changes).map(|(_, known)| known)
}

/// How many letters were changed, left out or added; `None` if so many that it is another name.
fn changes(name: &str, known: &str) -> Option<usize> {
    let most = if known.len() <= 3 { 1 } else { 2 };
    // Names in a document may be long: no work for what cannot be near.
    if name.len().abs_diff(known.len()) > most {
        return None;
    }
    Some(distance(&name.to_ascii_lowercase(), known)).filter(|changes| *changes <= most)
}

/// Levenshtein's distance, row by row.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, letter) in from.bytes().enumerate() {
        let (mut diagonal, mut before) = (place, place.saturating_add(1));
        let mut next = vec![before];
        for (other, above) in to.bytes().zip(row.into_iter().skip(1)) {
            let changed = diagonal.saturating_add(usize::from(letter != other));
            before = changed.min(above.min(before).saturating_add(1));
            diagonal = above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_levenshteins() {
        for (from, to, changes) in [
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
            ("flaw", "lawn", 2),
            ("hold", "hold", 0),
        ] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }

    #[test]
    fn typing_errors_are_near_and_other_names_are_not() {
        let known = ["hold", "id", "max", "whitelist", "hold_at", "deny_at"];
        for (name, meant) in [
            ("hodl", Some("hold")),
            ("hld", Some("hold")),
            ("Hold", Some("hold")),
            ("whitelst", Some("whitelist")),
            ("white_list", Some("whitelist")),
            ("deny-at", Some("deny_at")),
            ("ID", Some("id")),
            ("mx", Some("max")),
            ("mix_", None),
            ("windws", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }
}
