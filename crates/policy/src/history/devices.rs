//! Owns the devices a customer came from: which, and since when.

use super::DeviceSeen;
use crate::{ids::DeviceKey, minute::Minute};

/// How many devices are remembered; then the one that was seen least lately is forgotten.
pub(super) const MAX_DEVICES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) key: DeviceKey,
    pub(super) first: Minute,
    pub(super) last: Minute,
    pub(super) from_the_start: bool,
}

/// In order of first sight.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Devices(pub(super) Vec<Device>);

impl Devices {
    pub(super) fn see(&mut self, key: DeviceKey, now: Minute, called_new: bool) {
        if let Some(known) = self.0.iter_mut().find(|device| device.key == key) {
            known.last = known.last.max(now);
            return;
        }
        let from_the_start = self.0.is_empty() && !called_new;
        if self.0.len() >= MAX_DEVICES {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, device)| (device.last, device.key));
            if let Some(at) = oldest.map(|(at, _)| at) {
                self.0.remove(at);
            }
        }
        self.0.push(Device { key, first: now, last: now, from_the_start });
    }

    pub(super) fn find(&self, key: DeviceKey) -> Option<DeviceSeen> {
        let device = self.0.iter().find(|device| device.key == key)?;
        Some(DeviceSeen { first: device.first, from_the_start: device.from_the_start })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
