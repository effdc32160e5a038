//! The store's contract: one suite, run in full against every backend.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "small numbers chosen by the test"
)]
#![allow(clippy::as_conversions, reason = "small numbers chosen by the test")]

mod atomicity;
mod crash;
mod durability;
mod expectations;
mod opening;
mod reading;

use holdfast_store::{BackendKind, StoreConfig, StoreHandle, Table};

const ENTRIES: Table = Table::new("entries");
const BINDINGS: Table = Table::new("bindings");
/// Sorts directly after `bindings` and shares its first characters: a neighbour that scans must not reach.
const BINDINGS_OLD: Table = Table::new("bindings-old");
const TABLES: [Table; 3] = [ENTRIES, BINDINGS, BINDINGS_OLD];

/// A store in a directory that lives as long as the test.
struct Fixture {
    directory: tempfile::TempDir,
    backend: BackendKind,
}

impl Fixture {
    fn new(backend: BackendKind) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), backend }
    }

    fn config(&self) -> StoreConfig {
        StoreConfig::at(self.directory.path().join("store")).with_backend(self.backend)
    }

    fn open(&self) -> StoreHandle {
        StoreHandle::open(&self.config(), &TABLES).unwrap()
    }
}

/// Declares each case once for each backend.
macro_rules! contract {
    ($($area:ident :: $case:ident,)*) => {
        mod redb {
            $(#[test] fn $case() { super::$area::$case(holdfast_store::BackendKind::Redb); })*
        }
        mod sled {
            $(#[test] fn $case() { super::$area::$case(holdfast_store::BackendKind::Sled); })*
        }
    };
}

contract! {
    atomicity::batch_is_applied_whole_across_tables,
    atomicity::failed_expectation_writes_nothing,
    atomicity::concurrent_transfers_keep_their_sum,
    atomicity::reader_never_sees_half_a_batch,
    expectations::absent_equals_and_present_hold_exactly_when_they_should,
    expectations::failed_expectation_names_table_and_key,
    expectations::expectations_see_the_state_before_their_own_batch,
    expectations::exactly_one_of_ten_racing_contenders_wins,
    expectations::compare_and_swap_counter_loses_no_increment,
    reading::scan_is_ordered_and_starts_at_the_key_given,
    reading::prefix_scan_stops_at_the_end_of_the_prefix,
    reading::tables_are_separate,
    reading::last_is_the_greatest_key,
    reading::values_of_every_length_up_to_the_limit_read_back,
    reading::shortened_value_leaves_nothing_of_the_longer_one,
    reading::bounds_of_keys_scans_and_tables_are_enforced,
    opening::directories_and_data_files_are_created_private,
    opening::store_of_format_version_1_still_opens,
    opening::directory_that_others_can_access_is_refused,
    opening::second_opener_is_refused_while_the_first_lives,
    opening::data_file_that_another_program_holds_is_refused_as_locked,
    opening::store_whose_first_start_was_killed_opens,
    opening::store_of_the_other_backend_is_refused,
    opening::unknown_format_version_is_refused,
    opening::reserved_table_cannot_be_declared,
    durability::acknowledged_records_survive_reopening,
    durability::closed_store_is_free_at_once,
    durability::dropped_handles_release_the_store,
    durability::overwritten_and_deleted_records_stay_so_after_reopening,
    durability::large_records_survive_reopening,
    crash::acknowledged_records_survive_sigkill,
    crash::store_of_a_living_process_is_refused_and_free_once_it_is_killed,
}
