//! Tests of paged records: against a plain map, whatever is in memory and whatever is not, and with pages that are not what they
//! should be.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use proptest::prelude::*;

use super::*;

type References = Vec<(Vec<u8>, PageRef)>;
type Contents = Vec<(Vec<u8>, PageRef, Vec<u8>)>;

/// A store in memory.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<PageHash, Vec<u8>>>>);

impl Shelf {
    fn put(&self, kept: &KeptPages) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.extend(kept.iter().map(|(hash, bytes)| (hash, bytes.to_vec())));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<PageHash, Vec<u8>>)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl PageSource for Shelf {
    fn page(&self, hash: &PageHash) -> Result<Option<Vec<u8>>, PageSourceError> {
        Ok(self.0.lock().unwrap().get(hash).cloned())
    }
}

struct Broken;

impl PageSource for Broken {
    fn page(&self, _: &PageHash) -> Result<Option<Vec<u8>>, PageSourceError> {
        Err("the disk is gone".into())
    }
}

fn paged(shelf: &Shelf, bytes: usize) -> PagedMap {
    let mut map = PagedMap::default();
    map.read_from(&Pages::kept_in(Box::new(shelf.clone()), bytes));
    map
}

/// What a node does at a snapshot: a copy takes leave of its pages, they are written, the original forgets them.
fn cool(map: &mut PagedMap, shelf: &Shelf) -> PagedMap {
    let mut picture = map.clone();
    let kept = picture.keep();
    shelf.put(&kept);
    map.settle(&kept);
    picture
}

fn put(map: &mut PagedMap, key: u16, length: usize) {
    map.update(&key.to_be_bytes(), |_| Some(vec![key.to_be_bytes()[1]; length]));
}

fn value(map: &PagedMap, key: u16) -> Option<Vec<u8>> {
    map.read(&key.to_be_bytes(), |value| Some(value.to_vec()))
}

/// Many pages, all of them kept and none in memory.
fn cold() -> (PagedMap, Shelf) {
    let shelf = Shelf::default();
    let mut map = paged(&shelf, 0);
    (0..200).for_each(|key| put(&mut map, key, 300));
    cool(&mut map, &shelf);
    assert_eq!((map.fresh_bytes(), map.pages().cached_bytes(), map.len()), (0, 0, 200));
    assert!(map.references().len() > 5);
    (map, shelf)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is put, when pages are taken out of memory, and however many may stay: the same records in the same pages.
    #[test]
    fn cold_pages_cannot_be_told_from_hot_ones(
        acts in proptest::collection::vec((0_u16..300, 0_usize..1_100, 0_u8..20), 1..400),
        bytes in prop_oneof![Just(0), Just(20_000), Just(1 << 20)],
    ) {
        let shelf = Shelf::default();
        let (mut map, mut hot) = (paged(&shelf, bytes), PagedMap::default());
        let mut model = BTreeMap::new();
        let mut pictures = Vec::new();
        for (key, length, act) in acts {
            put(&mut map, key, length);
            put(&mut hot, key, length);
            model.insert(key.to_be_bytes().to_vec(), vec![key.to_be_bytes()[1]; length]);
            match act {
                0 => pictures.push((cool(&mut map, &shelf), model.clone())),
                // What was kept is made durable while the map goes on.
                1 => {
                    let kept = map.clone().keep();
                    shelf.put(&kept);
                    put(&mut map, key, length);
                    map.settle(&kept);
                }
                _ => {}
            }
            prop_assert!(map.pages().cached_bytes() <= bytes);
        }
        prop_assert!(map.references().eq(hot.references()));
        pictures.push((map.clone(), model));
        for (picture, model) in pictures {
            let mut all = BTreeMap::new();
            picture.for_each(|key, value| drop(all.insert(key.to_vec(), value.to_vec())));
            prop_assert_eq!(picture.len(), u64::try_from(all.len()).unwrap());
            prop_assert_eq!(all, model);
            prop_assert!(picture.references().all(|(_, page)| page.bytes <= 8_192 + 1_200));
        }
        prop_assert_eq!(map.pages().fault(), None);
        // And whoever reads only the references has the same.
        let references = map.references().map(|(bound, page)| (bound.to_vec(), page)).collect();
        let again = PagedMap::from_references(references, map.pages()).unwrap();
        // What was fresh at the end is nowhere but in the map itself.
        shelf.put(&map.clone().keep());
        prop_assert!(again.contents().eq(hot.contents()));
        prop_assert_eq!(again.len(), hot.len());
    }
}

#[test]
fn missing_page_is_a_fault_and_never_an_empty_one() {
    let (mut map, shelf) = cold();
    let hash = map.named().next().unwrap();
    shelf.change(|pages| drop(pages.remove(&hash)));
    assert_eq!(value(&map, 199).map(|value| value.len()), Some(300), "another page");
    assert_eq!(map.pages().fault(), None);
    assert_eq!(value(&map, 0), None);
    assert_eq!(map.pages().fault(), Some(PageFault::Missing(hash)));
    // Nothing is put in its place, and all who share the pages know.
    let before: Vec<_> = map.references().map(|(_, page)| page).collect();
    let copy = map.clone();
    put(&mut map, 0, 10);
    assert!(map.references().map(|(_, page)| page).eq(before));
    assert_eq!((map.len(), copy.pages().fault().unwrap().code()), (200, "PAGE_MISSING"));
    // Nor is the fault forgotten when the page comes back.
    let (_, whole) = cold();
    shelf.change(|pages| pages.extend(whole.0.lock().unwrap().clone()));
    assert_eq!(value(&map, 0).map(|value| value.len()), Some(300));
    assert!(map.pages().fault().is_some());
}

#[test]
fn altered_or_swapped_page_is_a_fault_of_its_own() {
    type Damage = fn(&mut BTreeMap<PageHash, Vec<u8>>, PageHash, PageHash);
    let damages: [(&str, Damage); 5] = [
        ("a bit", |pages, hash, _| pages.get_mut(&hash).unwrap()[40] ^= 1),
        ("the last byte is gone", |pages, hash, _| {
            pages.get_mut(&hash).unwrap().pop();
        }),
        ("a byte more", |pages, hash, _| pages.get_mut(&hash).unwrap().push(0)),
        ("nothing in it", |pages, hash, _| pages.get_mut(&hash).unwrap().clear()),
        ("somebody else's page under its name", |pages, hash, other| {
            let other = pages[&other].clone();
            pages.insert(hash, other);
        }),
    ];
    for (what, damage) in damages {
        let (map, shelf) = cold();
        let (hash, other) = (map.named().next().unwrap(), map.named().nth(1).unwrap());
        shelf.change(|pages| damage(pages, hash, other));
        assert_eq!(value(&map, 0), None, "{what}");
        assert_eq!(map.pages().fault(), Some(PageFault::Damaged(hash)), "{what}");
        assert_eq!(map.pages().fault().unwrap().code(), "PAGE_DAMAGED");
    }
}

#[test]
fn page_that_cannot_be_read_is_a_fault_of_its_own() {
    let (map, _) = cold();
    let references: Vec<_> = map.references().map(|(bound, page)| (bound.to_vec(), page)).collect();
    for (pages, code) in
        [(Pages::kept_in(Box::new(Broken), 1 << 20), "PAGE_UNREADABLE"), (Pages::default(), "PAGE_MISSING")]
    {
        let map = PagedMap::from_references(references.clone(), &pages).unwrap();
        assert_eq!(value(&map, 0), None);
        assert_eq!(pages.fault().unwrap().code(), code);
    }
}

#[test]
fn record_that_is_not_understood_is_a_fault() {
    let (mut map, _) = cold();
    assert_eq!(map.read(&[0, 1], |_| None::<u8>), None);
    assert_eq!(map.pages().fault().unwrap().code(), "PAGE_DAMAGED");
    let before = map.clone();
    map.update(&[0, 1], |_| None);
    assert!(map.references().eq(before.references()));
}

#[test]
fn absent_record_of_a_page_that_reads_is_no_fault() {
    let (map, _) = cold();
    assert_eq!((value(&map, 500), map.pages().fault()), (None, None));
    assert_eq!((value(&PagedMap::default(), 0), map.pages().fault()), (None, None));
}

#[test]
fn record_too_long_for_a_page_is_refused_and_nothing_is_lost() {
    let mut map = PagedMap::default();
    put(&mut map, 1, 65_535);
    assert_eq!(value(&map, 1).unwrap().len(), 65_535);
    map.update(&[7; 256], |_| Some(Vec::new()));
    assert_eq!((map.len(), map.pages().fault().is_some()), (1, true));
    let mut map = PagedMap::default();
    put(&mut map, 1, 65_536);
    assert_eq!((map.len(), map.pages().fault().is_some()), (0, true));
}

#[test]
fn page_is_split_when_it_is_a_byte_too_long() {
    let lengths = |last: usize| {
        let mut map = PagedMap::default();
        // A record takes five bytes more than its value here, the version one.
        (0..8).for_each(|key| put(&mut map, key, 1_000));
        put(&mut map, 8, last);
        map.references().map(|(_, page)| (page.bytes, page.records)).collect::<Vec<_>>()
    };
    let room = PAGE_BYTES - 1 - 8 * 1_005 - 5;
    assert_eq!(lengths(room), [(8_192, 9)]);
    assert_eq!(lengths(room + 1), [(5_026, 5), (3_168, 4)]);
}

#[test]
fn page_that_changed_while_it_was_written_stays_in_memory() {
    let shelf = Shelf::default();
    let mut map = paged(&shelf, 0);
    put(&mut map, 1, 10);
    let kept = map.clone().keep();
    assert_eq!((kept.iter().len(), kept.is_empty()), (1, false));
    put(&mut map, 1, 20);
    map.settle(&kept);
    assert_eq!(map.named().count(), 0);
    assert_eq!(value(&map, 1).unwrap().len(), 20);
    cool(&mut map, &shelf);
    assert_eq!((map.named().count(), map.clone().keep().is_empty()), (1, true));
    assert_eq!(value(&map, 1).unwrap().len(), 20);
}

#[test]
fn memory_for_pages_holds_those_used_last() {
    let shelf = Shelf::default();
    let mut map = paged(&shelf, 40_000);
    (0..200).for_each(|key| put(&mut map, key, 300));
    cool(&mut map, &shelf);
    assert!(map.pages().cached_bytes() <= 40_000);
    // The one that is asked for all the time is never read again.
    for key in 0..200 {
        assert!(value(&map, 0).is_some() && value(&map, key).is_some());
    }
    shelf.change(BTreeMap::clear);
    assert!(value(&map, 0).is_some() && value(&map, 199).is_some());
    assert_eq!(map.pages().fault(), None);
    assert!(value(&map, 60).is_none());
    assert!(map.pages().fault().is_some());
}

#[test]
fn references_that_cannot_be_of_one_map_are_refused() {
    let (map, _) = cold();
    let good: Vec<_> = map.references().map(|(bound, page)| (bound.to_vec(), page)).collect();
    let made = |change: &dyn Fn(&mut References)| {
        let mut references = good.clone();
        change(&mut references);
        PagedMap::from_references(references, map.pages()).is_some()
    };
    assert!(made(&|_| {}) && made(&Vec::clear));
    assert!(!made(&|references| references.swap(1, 2)), "out of order");
    assert!(!made(&|references| references[1] = references[2].clone()), "twice the same");
    assert!(!made(&|references| drop(references.remove(0))), "without a beginning");
    assert!(!made(&|references| references[1].1.records = 0), "nothing in a page");
}

#[test]
fn contents_that_are_not_those_of_the_references_are_refused() {
    let (map, _) = cold();
    let good: Vec<_> = map
        .references()
        .zip(map.contents())
        .map(|((bound, page), bytes)| (bound.to_vec(), page, bytes.to_vec()))
        .collect();
    let made = |change: &dyn Fn(&mut Contents)| {
        let mut contents = good.clone();
        change(&mut contents);
        PagedMap::from_contents(contents, |_, value| value.len() == 300, &Pages::default()).is_some()
    };
    assert!(made(&|_| {}));
    assert!(!made(&|contents| contents[1].2[9] ^= 1), "altered");
    assert!(!made(&|contents| contents[1].1.records += 1), "another count");
    assert!(!made(&|contents| contents[1].1.bytes += 1), "another length");
    // Each page whole, but not where its records belong.
    assert!(
        !made(&|contents| {
            let first = (contents[0].1, contents[0].2.clone());
            (contents[0].1, contents[0].2) = (contents[1].1, contents[1].2.clone());
            (contents[1].1, contents[1].2) = first;
        }),
        "swapped"
    );
    assert!(!made(&|contents| contents[1].0.push(0)), "a record below its page");
    let any = |good: Vec<_>| PagedMap::from_contents(good, |_, value| value.len() == 299, &Pages::default());
    assert!(any(good.clone()).is_none(), "what the caller does not know");
}
