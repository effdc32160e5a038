//! Owns what a provider reports about a customer's session. A signal that was not reported is `None`: unknown, never absent.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{DeviceRef, ProviderId},
    time::TimestampMs,
};

/// What a provider reported about the customer's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSignals {
    /// The session came from a device not seen before.
    pub new_device: bool,
    /// The second factor was reset lately.
    pub second_factor_reset: bool,
    /// What else was reported; nothing by default.
    #[serde(default)]
    pub details: SessionDetails,
    /// When the provider looked.
    #[serde(rename = "observed_at_ms")]
    pub observed_at: TimestampMs,
    /// Who reported.
    pub provider: ProviderId,
}

/// Signals that a provider may report. Each that is `None` is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDetails {
    /// The device's pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceRef>,
    /// The kind of connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The session came from another country than the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_changed: Option<bool>,
    /// When the second factor was reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor_reset_at: Option<Moment>,
    /// When the password was reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_reset_at: Option<Moment>,
    /// When the e-mail address was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_changed_at: Option<Moment>,
    /// When the API key was made; [`Moment::NotLately`] also for sessions without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_made_at: Option<Moment>,
}

impl SessionDetails {
    /// Nothing is reported.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The worse of both for each signal; what only one of them tells counts. The device is the one told here, if one is.
    #[must_use]
    pub fn worse_of(&self, other: &Self) -> Self {
        // Exhaustive, so that no signal is forgotten. `None` is below everything, so what is known wins.
        let Self {
            device,
            network,
            country_changed,
            second_factor_reset_at,
            password_reset_at,
            email_changed_at,
            api_key_made_at,
        } = other;
        Self {
            device: self.device.clone().or_else(|| device.clone()),
            network: self.network.max(*network),
            country_changed: self.country_changed.max(*country_changed),
            second_factor_reset_at: self.second_factor_reset_at.max(*second_factor_reset_at),
            password_reset_at: self.password_reset_at.max(*password_reset_at),
            email_changed_at: self.email_changed_at.max(*email_changed_at),
            api_key_made_at: self.api_key_made_at.max(*api_key_made_at),
        }
    }
}

/// When something happened, as far as the provider looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Not within the provider's memory: months, or never.
    NotLately,
    /// At this time.
    At(TimestampMs),
}

/// Kinds of connection, as the provider sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A line at home or at work, or a phone network.
    Ordinary,
    /// A data centre, as programs use.
    Hosting,
    /// A known VPN service.
    Vpn,
    /// A Tor exit.
    Tor,
}

impl Network {
    /// Whether it hides where the customer is.
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::Vpn | Self::Tor)
    }
}
