//! `[hooks]` as it was written.

use crate::keys::HOOKS;
use crate::place::At;
use crate::reader::{RawCommand, Value};
use snapback_core::hook::Hook;
use std::time::Duration;

/// `[hooks]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawHooks {
    pub(crate) commands: Vec<(Hook, At<RawCommand>)>,
    pub(crate) timeout: Option<Duration>,
}

impl RawHooks {
    /// Reads the table.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let table = value.table(&HOOKS)?;
        let written = |hook: Hook| Some((hook, table.get(hook.word())?.command()?));
        Some(Self {
            commands: Hook::ALL.into_iter().filter_map(written).collect(),
            timeout: table.get("timeout").and_then(|v| v.duration(false)).map(|timeout| timeout.value),
        })
    }
}
