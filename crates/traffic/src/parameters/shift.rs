//! Owns shifts: how the evaluation period differs from the history. A shift never changes what an attack is.

use super::{ParameterError, Season};

const FACTOR: &str = "a factor from 0.01 to 100, such as `1.5` or `2x`";
const KEYS: [&str; 13] = [
    "amounts",
    "rate",
    "hours",
    "new-addresses",
    "devices",
    "hidden-networks",
    "travel",
    "resets",
    "exposure-noise",
    "season",
    "careful",
    "from",
    "preset",
];

/// How honest behaviour, the provider and the attackers change. Factors multiply; 1 changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Of honest amounts.
    pub amounts: f64,
    /// Of honest withdrawals a day.
    pub rate: f64,
    /// Hours by which honest people are later than usual; may be negative.
    pub hours: f64,
    /// Of the chance that a destination is new.
    pub new_addresses: f64,
    /// Of new phones and cleared cookies.
    pub devices: f64,
    /// Of VPN and Tor.
    pub hidden_networks: f64,
    /// Of journeys.
    pub travel: f64,
    /// Of honest resets of passwords, second factors and e-mail addresses.
    pub resets: f64,
    /// Of the provider's mistakes about honest addresses.
    pub exposure_noise: f64,
    /// Another season.
    pub season: Option<Season>,
    /// Another share of careful attackers, from 0 to 1.
    pub careful: Option<f64>,
    /// From the start of the stream, so that the history shows it too; otherwise from the start of the evaluation.
    pub from_start: bool,
}

impl Default for Shift {
    fn default() -> Self {
        Self {
            amounts: 1.0,
            rate: 1.0,
            hours: 0.0,
            new_addresses: 1.0,
            devices: 1.0,
            hidden_networks: 1.0,
            travel: 1.0,
            resets: 1.0,
            exposure_noise: 1.0,
            season: None,
            careful: None,
            from_start: false,
        }
    }
}

/// A named shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// As in `preset=NAME`.
    pub name: &'static str,
    /// The shift it stands for.
    pub shift: &'static str,
}

/// All presets.
pub const PRESETS: [Preset; 6] = [
    Preset { name: "bull-run", shift: "season=bull,amounts=1.3,new-addresses=1.5" },
    Preset { name: "panic", shift: "season=panic,resets=1.5" },
    Preset { name: "holidays", shift: "travel=4x,hours=2h,devices=1.5,hidden-networks=1.5,rate=0.8" },
    Preset { name: "new-phones", shift: "devices=3x,resets=3x" },
    Preset { name: "noisy-provider", shift: "exposure-noise=3x" },
    Preset { name: "skilled-attackers", shift: "careful=0.7" },
];

/// For error messages.
pub(super) fn known() -> String {
    KEYS.join(", ")
}

impl Shift {
    /// Reads `name=value,...`, for example `amounts=1.5,hours=3h,new-addresses=2x,season=bull` or
    /// `preset=holidays,from=start`. Later parts win. Empty text is no shift.
    ///
    /// # Errors
    /// Names the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut shift = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            shift.set(name.trim(), value.trim())?;
        }
        Ok(shift)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ParameterError> {
        let Some(key) = KEYS.into_iter().find(|key| *key == name) else {
            return Err(ParameterError::UnknownShift { name: cut(name) });
        };
        match key {
            "amounts" => self.amounts = factor(key, value)?,
            "rate" => self.rate = factor(key, value)?,
            "new-addresses" => self.new_addresses = factor(key, value)?,
            "devices" => self.devices = factor(key, value)?,
            "hidden-networks" => self.hidden_networks = factor(key, value)?,
            "travel" => self.travel = factor(key, value)?,
            "resets" => self.resets = factor(key, value)?,
            "exposure-noise" => self.exposure_noise = factor(key, value)?,
            "hours" => {
                let digits = value.strip_suffix('h').unwrap_or(value);
                self.hours = bounded(key, value, digits, -12.0, 12.0, "hours from -12 to 12, such as `3h`")?;
            }
            "careful" => {
                self.careful = Some(bounded(key, value, value, 0.0, 1.0, "a share from 0 to 1")?);
            }
            "season" => self.season = Some(season(key, value)?),
            "from" => self.from_start = from_start(key, value)?,
            _ => self.set_preset(key, value)?,
        }
        Ok(())
    }

    fn set_preset(&mut self, key: &'static str, value: &str) -> Result<(), ParameterError> {
        let Some(preset) = PRESETS.iter().find(|preset| preset.name == value) else {
            let takes = "bull-run, panic, holidays, new-phones, noisy-provider or skilled-attackers";
            return Err(ParameterError::ShiftValue { name: key, value: cut(value), takes });
        };
        for part in preset.shift.split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            self.set(name, value)?;
        }
        Ok(())
    }
}

fn factor(name: &'static str, value: &str) -> Result<f64, ParameterError> {
    bounded(name, value, value.strip_suffix('x').unwrap_or(value), 0.01, 100.0, FACTOR)
}

fn bounded(
    name: &'static str,
    value: &str,
    digits: &str,
    low: f64,
    high: f64,
    takes: &'static str,
) -> Result<f64, ParameterError> {
    let read = digits.parse::<f64>().ok().filter(|number| (low..=high).contains(number));
    read.ok_or_else(|| ParameterError::ShiftValue { name, value: cut(value), takes })
}

fn season(name: &'static str, value: &str) -> Result<Season, ParameterError> {
    match value {
        "calm" => Ok(Season::Calm),
        "mixed" => Ok(Season::Mixed),
        "bull" => Ok(Season::Bull),
        "panic" => Ok(Season::Panic),
        _ => {
            let takes = "calm, mixed, bull or panic";
            Err(ParameterError::ShiftValue { name, value: cut(value), takes })
        }
    }
}

fn from_start(name: &'static str, value: &str) -> Result<bool, ParameterError> {
    match value {
        "start" => Ok(true),
        "evaluation" => Ok(false),
        _ => Err(ParameterError::ShiftValue { name, value: cut(value), takes: "start or evaluation" }),
    }
}

/// What a message may repeat of what it was given.
fn cut(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let shift = Shift::parse("amounts=1.5,hours=3h,new-addresses=2x,season=bull").unwrap();
        let expected = Shift {
            amounts: 1.5,
            hours: 3.0,
            new_addresses: 2.0,
            season: Some(Season::Bull),
            ..Shift::default()
        };
        assert_eq!(shift, expected);
        assert_eq!(Shift::parse("").unwrap(), Shift::default());
    }

    #[test]
    fn every_preset_is_readable_and_changes_something() {
        for preset in PRESETS {
            let shift = Shift::parse(&format!("preset={}", preset.name)).unwrap();
            assert_ne!(shift, Shift::default(), "{}", preset.name);
            assert_eq!(shift, Shift::parse(preset.shift).unwrap());
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let refused = [
            ("colour=2", "TRAFFIC_UNKNOWN_SHIFT", "`colour`"),
            ("amounts", "TRAFFIC_SHIFT_VALUE", "amounts"),
            ("amounts=NaN", "TRAFFIC_SHIFT_VALUE", "`NaN`"),
            ("amounts=1000", "TRAFFIC_SHIFT_VALUE", "`1000`"),
            ("hours=13h", "TRAFFIC_SHIFT_VALUE", "`13h`"),
            ("careful=1.1", "TRAFFIC_SHIFT_VALUE", "`1.1`"),
            ("season=wet", "TRAFFIC_SHIFT_VALUE", "`wet`"),
            ("from=here", "TRAFFIC_SHIFT_VALUE", "`here`"),
            ("preset=none", "TRAFFIC_SHIFT_VALUE", "`none`"),
        ];
        for (text, code, part) in refused {
            let error = Shift::parse(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
