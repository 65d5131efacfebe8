//! `[confirm]` as it was written.

use crate::keys::CONFIRM;
use crate::place::At;
use crate::reader::{RawCommand, Value};
use std::time::Duration;

/// `[confirm]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawConfirm {
    pub(crate) timeout: Option<At<Duration>>,
    pub(crate) apply_timeout: Option<At<Duration>>,
    pub(crate) hard_cap: Option<At<Duration>>,
    pub(crate) settle: Option<At<Duration>>,
    /// `kex = "reorder"`, which is also what its absence means.
    pub(crate) reorder_kex: Option<bool>,
    pub(crate) failsafe: Option<At<RawCommand>>,
    pub(crate) failsafe_reboot: bool,
}

impl RawConfirm {
    /// Reads the table.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let table = value.table(&CONFIRM)?;
        Some(Self {
            timeout: table.get("timeout").and_then(|v| v.duration(false)),
            apply_timeout: table.get("apply_timeout").and_then(|v| v.duration(false)),
            hard_cap: table.get("hard_cap").and_then(|v| v.duration(false)),
            settle: table.get("settle").and_then(|v| v.duration(true)),
            reorder_kex: table.get("kex").and_then(|v| v.word(&[("reorder", true), ("default", false)])),
            failsafe: table.get("failsafe").and_then(|v| v.command()),
            failsafe_reboot: table
                .get("failsafe_reboot")
                .and_then(|v| v.flag())
                .is_some_and(|flag| flag.value),
        })
    }
}
