//! An operator's way on after a fork: look at the evidence, then name it.
//!
//! Owns the only way to clear a halt. It must never clear one that was not named, and works only while the node is down.

use holdfast_store::{Batch, StoreError, StoreHandle};

use crate::config::NodeConfig;
use crate::replica::ForkEvidence;
use crate::tables::{self, HALT, NODE};

/// Why a halt was not cleared.
#[derive(Debug, thiserror::Error)]
pub enum HaltError {
    /// There is none.
    #[error("this node is not halted")]
    NotHalted,
    /// The evidence was not named, or another one was.
    #[error("the evidence is `{id}`: look at it, then run this again with `--evidence {id}`\n{evidence}")]
    NotNamed {
        /// What to name.
        id: String,
        /// The record.
        evidence: String,
    },
    /// The store failed; a running node has it open.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Clears a halt whose evidence the operator names.
///
/// Blocks.
///
/// # Errors
/// [`HaltError::NotNamed`] shows the evidence and its name.
pub fn clear_halt(config: &NodeConfig, named: Option<&str>) -> Result<(), HaltError> {
    let store = StoreHandle::open(&config.store_config(), &tables::ALL)?;
    let cleared = clear(&store, named);
    store.close_blocking()?;
    cleared
}

fn clear(store: &StoreHandle, named: Option<&str>) -> Result<(), HaltError> {
    let record = store.read(NODE, HALT.as_bytes())?.ok_or(HaltError::NotHalted)?;
    let id = ForkEvidence::id_of(&record);
    if named != Some(id.as_str()) {
        return Err(HaltError::NotNamed { id, evidence: String::from_utf8_lossy(&record).into_owned() });
    }
    let batch = Batch::new().expect_equals(NODE, HALT, record).delete(NODE, HALT);
    Ok(store.commit_blocking(batch).map_err(tables::unconditional)?)
}

#[cfg(test)]
mod tests {
    use holdfast_store::StoreConfig;

    use super::*;

    #[test]
    fn halt_is_cleared_only_by_the_name_of_its_own_evidence() {
        let directory = tempfile::tempdir().unwrap();
        let store = StoreHandle::open(&StoreConfig::at(directory.path().join("s")), &tables::ALL).unwrap();
        assert!(matches!(clear(&store, None), Err(HaltError::NotHalted)));
        store.commit_blocking(Batch::new().put(NODE, HALT, "evidence")).unwrap();
        let Err(HaltError::NotNamed { id, evidence }) = clear(&store, None) else { panic!("was cleared") };
        assert_eq!(evidence, "evidence");
        assert!(matches!(clear(&store, Some("0000000000000000")), Err(HaltError::NotNamed { .. })));
        clear(&store, Some(&id)).unwrap();
        assert!(matches!(clear(&store, Some(&id)), Err(HaltError::NotHalted)));
    }
}
