//! A whole log in memory, exported, attacked and verified: each attack is found and located.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "test"
)]

mod attacks;
mod backtests;
mod cell;
mod explained;
mod forks;
mod long;
mod periods;
mod records;
mod rotated;
mod selected;
mod watched;
