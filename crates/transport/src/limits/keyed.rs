//! A limit for each key of a kind: each address, each identity.
//!
//! Must never remember a key that holds nothing: the map is as small as what is in use.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct KeyedLimit<K> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    limit: usize,
}

impl<K: Eq + Hash + Clone> KeyedLimit<K> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Takes one of the key's places; `None` when all are taken.
    pub(crate) fn take(&self, key: K) -> Option<Place<K>> {
        let mut taken = lock(&self.taken);
        let count = taken.get(&key).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        taken.insert(key.clone(), count.saturating_add(1));
        drop(taken);
        Some(Place { taken: Arc::clone(&self.taken), key })
    }
}

/// One place, given back on drop.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash + Clone> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        match taken.get_mut(&self.key) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            Some(_) | None => drop(taken.remove(&self.key)),
        }
    }
}

/// The map is consistent after every statement, so a panic elsewhere cannot have broken it.
fn lock<K>(taken: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_limit_and_places_come_back() {
        let limit = KeyedLimit::new(2);
        let first = limit.take("a").unwrap();
        let _second = limit.take("a").unwrap();
        assert!(limit.take("a").is_none());
        let _other = limit.take("b").unwrap();
        drop(first);
        assert!(limit.take("a").is_some());
    }

    #[test]
    fn keys_without_places_are_forgotten() {
        let limit = KeyedLimit::new(2);
        drop((limit.take("a"), limit.take("a"), limit.take("b")));
        assert!(lock(&limit.taken).is_empty());
    }
}
