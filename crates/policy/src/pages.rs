//! Owns records by key, in pages of a few kilobytes. A page that was changed lately is in memory. The others are known by their hash
//! and length alone and read when they are asked for, from wherever the caller keeps them.
//!
//! It does no input or output itself: a [`PageSource`] reads. It must never take another page for the one that is named, and never an
//! absent or damaged page for an empty one: the first such page is a [`PageFault`], and whoever shares these pages is over with it.

mod cache;
mod page;

use std::sync::Arc;

use imbl::OrdMap;

pub use cache::{PageSource, PageSourceError, Pages};
pub use page::{PAGE_BYTES, PageFault, PageHash};
use page::{Page, SecondHalf};

/// Records by key. A clone is cheap and shares what neither side changes.
#[derive(Debug, Clone, Default)]
pub struct PagedMap {
    /// By the smallest key that may be in the page; the first one's is empty.
    slots: OrdMap<Arc<[u8]>, Slot>,
    records: u64,
    pages: Pages,
}

#[derive(Debug, Clone)]
enum Slot {
    /// Changed since pages were last kept: nobody else has it.
    Fresh(Page),
    /// Somebody keeps it.
    Kept(PageRef),
}

/// What is known of a page without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRef {
    /// SHA-256 of its bytes.
    pub hash: PageHash,
    /// How many bytes it has.
    pub bytes: u32,
    /// How many records it holds.
    pub records: u32,
}

/// Pages that have to be kept, and where they belong: see [`PagedMap::keep`].
#[derive(Debug, Clone, Default)]
pub struct KeptPages(Vec<(Arc<[u8]>, PageRef, Page)>);

impl KeptPages {
    /// The pages: write them where the [`PageSource`] finds them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (PageHash, &[u8])> {
        self.0.iter().map(|(_, kept, page)| (kept.hash, page.bytes()))
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PagedMap {
    /// From now on pages are read from here. Whatever is kept already must be found there.
    pub fn read_from(&mut self, pages: &Pages) {
        self.pages = pages.clone();
    }

    /// Where pages are read from.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// How many records there are.
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// What is under this key, as `unpack` understands it.
    // INVARIANT (G9): `None` means that there is no such record, or that a fault is noted, which ends whatever goes on.
    pub fn read<T>(&self, key: &[u8], unpack: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let (_, slot) = self.slots.get_prev(key)?;
        let page = self.page(slot)?;
        let unpacked = unpack(page.find(key)?);
        if unpacked.is_none() {
            self.pages.fail(PageFault::Damaged(page.hash()));
        }
        unpacked
    }

    /// Puts what `change` makes of the record with this key in its place. Nothing changes when a page cannot be read, or when
    /// `change` does not understand the record: a fault is noted then.
    pub fn update(&mut self, key: &[u8], change: impl FnOnce(Option<&[u8]>) -> Option<Vec<u8>>) {
        let (bound, page) = match self.slots.get_prev(key) {
            Some((bound, slot)) => {
                let Some(page) = self.page(slot) else { return };
                (Arc::clone(bound), page)
            }
            None => (Arc::from([].as_slice()), Page::default()),
        };
        let known = page.find(key);
        let is_new = known.is_none();
        let Some(changed) = change(known).and_then(|value| page.with(key, &value)) else {
            self.pages.fail(PageFault::Damaged(page.hash()));
            return;
        };
        self.records = self.records.saturating_add(u64::from(is_new));
        let (first, second) = changed.split();
        self.slots.insert(bound, Slot::Fresh(first));
        if let Some(SecondHalf { bound, page }) = second {
            self.slots.insert(bound, Slot::Fresh(page));
        }
    }

    /// Every record, in the order of keys. Reads every page: for reports and tests.
    pub fn for_each(&self, mut see: impl FnMut(&[u8], &[u8])) {
        for slot in self.slots.values() {
            let Some(page) = self.page(slot) else { return };
            page.records().for_each(|(key, value)| see(key, value));
        }
    }

    /// Takes leave of every page that was changed: from now on this map knows it by its hash. The caller writes what this returns
    /// and then lets the map that goes on forget the same pages, by [`PagedMap::settle`].
    #[must_use = "pages that nobody writes are lost"]
    pub fn keep(&mut self) -> KeptPages {
        let fresh = self.slots.iter().filter_map(|(bound, slot)| match slot {
            Slot::Fresh(page) => Some((Arc::clone(bound), page.reference(), page.clone())),
            Slot::Kept(_) => None,
        });
        let kept = KeptPages(fresh.collect());
        for (bound, reference, _) in &kept.0 {
            self.slots.insert(Arc::clone(bound), Slot::Kept(*reference));
        }
        kept
    }

    /// These pages are durable: the bytes of those that did not change since are needed no longer. They stay in the memory for what
    /// was used last, as long as there is room.
    pub fn settle(&mut self, kept: &KeptPages) {
        for (bound, reference, page) in &kept.0 {
            let unchanged = match self.slots.get(bound) {
                Some(Slot::Fresh(known)) => known.is_same(page),
                Some(Slot::Kept(_)) | None => false,
            };
            if unchanged {
                self.slots.insert(Arc::clone(bound), Slot::Kept(*reference));
                self.pages.remember(reference.hash, page);
            }
        }
    }

    /// The hashes of all pages that somebody keeps.
    pub fn named(&self) -> impl Iterator<Item = PageHash> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Fresh(_) => None,
            Slot::Kept(reference) => Some(reference.hash),
        })
    }

    /// Every page's smallest key and what is known of it, in order: for snapshots. The same whether pages are in memory or not.
    pub fn references(&self) -> impl ExactSizeIterator<Item = (&[u8], PageRef)> {
        self.slots.iter().map(|(bound, slot)| match slot {
            Slot::Fresh(page) => (bound.as_ref(), page.reference()),
            Slot::Kept(reference) => (bound.as_ref(), *reference),
        })
    }

    /// The bytes of every page, in the same order; no more after one that cannot be read.
    pub fn contents(&self) -> impl Iterator<Item = Arc<Vec<u8>>> {
        self.slots.values().map_while(|slot| self.page(slot)).map(|page| page.shared_bytes())
    }

    /// Bytes of pages that only this map has.
    pub fn fresh_bytes(&self) -> usize {
        let sizes = self.slots.values().map(|slot| match slot {
            Slot::Fresh(page) => page.bytes().len(),
            Slot::Kept(_) => 0,
        });
        sizes.fold(0, usize::saturating_add)
    }

    /// A map of pages that are kept where `pages` reads; `None` if they cannot be those of one map.
    pub fn from_references(references: Vec<(Vec<u8>, PageRef)>, pages: &Pages) -> Option<Self> {
        let ordered = references.is_sorted_by(|(one, _), (next, _)| one < next);
        let whole = references.first().is_none_or(|(bound, _)| bound.is_empty());
        let filled = references.iter().all(|(_, reference)| reference.records > 0);
        if !(ordered && whole && filled) {
            return None;
        }
        let counts = references.iter().map(|(_, reference)| u64::from(reference.records));
        let records = counts.fold(0, u64::saturating_add);
        let slots = references
            .into_iter()
            .map(|(bound, kept)| (Arc::<[u8]>::from(bound), Slot::Kept(kept)))
            .collect();
        Some(Self { slots, records, pages: pages.clone() })
    }

    /// The same with all pages at hand; `None` if a page is not the one that is named, or a record is in the wrong one.
    pub fn from_contents(
        contents: Vec<(Vec<u8>, PageRef, Vec<u8>)>,
        is_record: impl Fn(&[u8], &[u8]) -> bool,
        pages: &Pages,
    ) -> Option<Self> {
        let references = contents.iter().map(|(bound, reference, _)| (bound.clone(), *reference)).collect();
        let mut map = Self::from_references(references, pages)?;
        let mut contents = contents.into_iter().peekable();
        while let Some((bound, reference, bytes)) = contents.next() {
            let page = Page::verified(&reference, bytes).ok()?;
            let before = contents.peek().map(|(next, _, _)| next.as_slice());
            let in_place = |key: &[u8]| bound.as_slice() <= key && before.is_none_or(|before| key < before);
            if !page.records().all(|(key, value)| in_place(key) && is_record(key, value)) {
                return None;
            }
            map.slots.insert(Arc::<[u8]>::from(bound), Slot::Fresh(page));
        }
        Some(map)
    }

    fn page(&self, slot: &Slot) -> Option<Page> {
        match slot {
            Slot::Fresh(page) => Some(page.clone()),
            Slot::Kept(reference) => self.pages.read(reference),
        }
    }
}

#[cfg(test)]
mod tests;
