//! `[confirm]` as it was written.

use super::host::hops;
use crate::keys::CONFIRM;
use crate::place::At;
use crate::reader::{RawCommand, Value};
use snapback_core::proof::Mode;
use snapback_core::rollout::ConfirmScope;
use snapback_core::way::{Family, Vantage};
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
    pub(crate) mode: Option<Mode>,
    pub(crate) probes: Option<u32>,
    pub(crate) via: Vec<Vantage>,
    pub(crate) scope: Option<At<ConfirmScope>>,
}

/// How many fresh connections may be asked for: each is a login on every host.
const MOST_PROBES: u32 = 20;

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
            mode: table.get("mode").and_then(|v| v.word(&[("auto", Mode::Auto), ("manual", Mode::Manual)])),
            probes: table.get("probes").and_then(|v| probes(&v)),
            via: table.get("via").map(|v| v.list().iter().filter_map(vantage).collect()).unwrap_or_default(),
            scope: table.get("scope").and_then(|v| scope(&v)),
        })
    }
}

fn scope(value: &Value<'_>) -> Option<At<ConfirmScope>> {
    let word = value.word(&[("host", ConfirmScope::Host), ("batch", ConfirmScope::Batch)])?;
    Some(At { value: word, place: value.place() })
}

fn probes(value: &Value<'_>) -> Option<u32> {
    let number = value.number::<u32>(1)?;
    if number > MOST_PROBES {
        value.complain(format!("no more than {MOST_PROBES} connections are opened to each host"), None);
        return None;
    }
    Some(number)
}

/// Reads a point to get in from: `direct` or a jump host, and perhaps `/4` or `/6`.
fn vantage(value: &Value<'_>) -> Option<Vantage> {
    let text = value.text()?.value;
    let (name, family) = match text.rsplit_once('/') {
        Some((name, "4")) => (name, Some(Family::V4)),
        Some((name, "6")) => (name, Some(Family::V6)),
        Some(_) => {
            let hint =
                "it is \"direct\" or a jump host, for one version of IP with \"/4\" or \"/6\" behind it";
            value.complain(format!("`via`: {text:?} is no way in"), Some(hint.to_owned()));
            return None;
        }
        None => (text.as_str(), None),
    };
    if name == "direct" {
        return Some(Vantage { jump: None, family });
    }
    hops(value, "via", name).then(|| Vantage { jump: Some(name.to_owned()), family })
}
