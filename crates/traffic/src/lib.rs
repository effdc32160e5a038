//! Synthetic withdrawals of an exchange, honest and hostile, with labels: something to measure a policy on.
//!
//! Pure and deterministic by seed on every machine. It must never know the policy it is used to measure: it was written
//! and frozen before any weight of the risk engine existed. `docs/traffic.md` says what is modelled and what is not.

mod attack;
mod calendar;
mod country;
mod draw;
mod event;
mod honest;
mod label;
mod market;
mod number;
mod outbox;
mod parameters;
mod payment;
mod places;
mod population;
mod provider;
mod scene;
mod stream;
mod summary;
mod world;

pub use event::{
    Address, Asset, Client, Country, CustomerId, Deposit, DeviceId, Event, ExposureReport, Network, Price,
    Record, Registration, SessionReport, TimeMs, Wallet, WhitelistEntry, WithdrawalRequest,
};
pub use label::{AttackKind, Incident, Label, Oddities, Oddity, Skill};
pub use parameters::{
    MAX_CUSTOMERS, PRESETS, ParameterError, Parameters, Preset, Published, Season, Shift, SkillMix,
};
pub use stream::Traffic;
pub use summary::{Class, Summary};
