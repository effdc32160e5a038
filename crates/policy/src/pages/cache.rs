//! Owns the pages that were used last, up to a number of bytes, and the first fault. It never gives out bytes that were not compared
//! with their hash when they were read, and never forgets a fault.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    PageRef,
    page::{Page, PageFault, PageHash},
};

/// Why a source could not read.
pub type PageSourceError = Box<dyn Error + Send + Sync>;

/// Where pages are kept: a store, a directory, a map in memory.
pub trait PageSource: Send + Sync {
    /// The bytes that were kept under this hash, `None` if there are none. They need not be the right ones: the caller compares.
    fn page(&self, hash: &PageHash) -> Result<Option<Vec<u8>>, PageSourceError>;
}

struct Reading<F>(F);

impl<E: Into<PageSourceError>, F> PageSource for Reading<F>
where
    F: Fn(&[u8; 32]) -> Result<Option<Vec<u8>>, E> + Send + Sync,
{
    fn page(&self, hash: &PageHash) -> Result<Option<Vec<u8>>, PageSourceError> {
        (self.0)(hash.as_bytes()).map_err(Into::into)
    }
}

/// A way to pages that are kept somewhere, shared by all clones. The default one keeps nothing elsewhere: all pages are in memory.
#[derive(Clone, Default)]
pub struct Pages(Arc<Shared>);

#[derive(Default)]
struct Shared {
    source: Option<Box<dyn PageSource>>,
    cache: Mutex<Cache>,
    // INVARIANT (G9): set before anybody gets an answer that misses a page, and never cleared.
    fault: OnceLock<PageFault>,
}

/// Two generations: what is asked for in the old one moves to the young one; when that is full, the old one goes.
#[derive(Default)]
struct Cache {
    young: BTreeMap<PageHash, Page>,
    old: BTreeMap<PageHash, Page>,
    young_bytes: usize,
    half: usize,
}

impl Pages {
    /// Pages that `source` reads, of which at most `bytes` bytes stay in memory.
    pub fn kept_in(source: Box<dyn PageSource>, bytes: usize) -> Self {
        let cache = Mutex::new(Cache { half: bytes / 2, ..Cache::default() });
        Self(Arc::new(Shared { source: Some(source), cache, fault: OnceLock::new() }))
    }

    /// The same of what `read` finds under a hash.
    pub fn reading<E: Into<PageSourceError> + 'static>(
        read: impl Fn(&[u8; 32]) -> Result<Option<Vec<u8>>, E> + Send + Sync + 'static,
        bytes: usize,
    ) -> Self {
        Self::kept_in(Box::new(Reading(read)), bytes)
    }

    /// The first page that could not be read. Nothing that was derived since may be believed.
    pub fn fault(&self) -> Option<PageFault> {
        self.0.fault.get().copied()
    }

    /// Bytes in memory of pages that are kept elsewhere too.
    pub fn cached_bytes(&self) -> usize {
        let cache = self.cache();
        let pages = cache.young.values().chain(cache.old.values());
        pages.fold(0, |sum, page| sum.saturating_add(page.bytes().len()))
    }

    pub(super) fn fail(&self, fault: PageFault) {
        let _ = self.0.fault.set(fault);
    }

    pub(super) fn remember(&self, hash: PageHash, page: &Page) {
        self.cache().remember(hash, page.clone());
    }

    /// The page, or `None` with a fault noted.
    pub(super) fn read(&self, reference: &PageRef) -> Option<Page> {
        let known = self.cache().get(&reference.hash);
        if known.is_some() {
            return known;
        }
        match self.read_source(reference) {
            Ok(page) => {
                self.remember(reference.hash, &page);
                Some(page)
            }
            Err(fault) => {
                self.fail(fault);
                None
            }
        }
    }

    fn read_source(&self, reference: &PageRef) -> Result<Page, PageFault> {
        let hash = reference.hash;
        let source = self.0.source.as_ref().ok_or(PageFault::Missing(hash))?;
        let bytes = source.page(&hash).map_err(|_| PageFault::Unreadable(hash))?;
        Page::verified(reference, bytes.ok_or(PageFault::Missing(hash))?)
    }

    // A panic elsewhere leaves the map as it was before or after one of its own steps: pages in it are whole.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn get(&mut self, hash: &PageHash) -> Option<Page> {
        if let Some(page) = self.young.get(hash) {
            return Some(page.clone());
        }
        let page = self.old.remove(hash)?;
        self.remember(*hash, page.clone());
        Some(page)
    }

    fn remember(&mut self, hash: PageHash, page: Page) {
        let bytes = page.bytes().len();
        if bytes > self.half {
            return;
        }
        if self.young_bytes.saturating_add(bytes) > self.half {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(hash, page).is_none() {
            self.young_bytes = self.young_bytes.saturating_add(bytes);
        }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("fault", &self.fault()).finish_non_exhaustive()
    }
}
