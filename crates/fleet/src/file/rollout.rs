//! `[rollout]` as it was written.

use crate::keys::ROLLOUT;
use crate::place::At;
use crate::problem::Problem;
use crate::reader::Value;
use snapback_core::rollout::{RollbackScope, Share, Threshold, Unreachable};
use std::time::Duration;
use toml::de::DeValue;

/// `canary`.
#[derive(Clone, Debug)]
pub(crate) enum RawCanary {
    /// So many hosts, from the first on.
    Number(usize),
    /// The hosts that a selector chooses.
    Selector(At<String>),
}

/// `[rollout]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawRollout {
    pub(crate) canary: Option<At<RawCanary>>,
    pub(crate) serial: Vec<Share>,
    pub(crate) bake_time: Option<At<Duration>>,
    pub(crate) auto_promote: Option<At<bool>>,
    pub(crate) gate_timeout: Option<At<Duration>>,
    pub(crate) max_failures: Option<At<Threshold>>,
    pub(crate) unreachable: Option<Unreachable>,
    pub(crate) rollback_scope: Option<RollbackScope>,
    pub(crate) progress_deadline: Option<At<Duration>>,
    pub(crate) parallel: Option<usize>,
    pub(crate) connect_parallel: Option<usize>,
}

impl RawRollout {
    /// Reads the table.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let table = value.table(&ROLLOUT)?;
        let scopes =
            [("host", RollbackScope::Host), ("batch", RollbackScope::Batch), ("run", RollbackScope::Run)];
        let unreachable = [("fail", Unreachable::Fail), ("skip", Unreachable::Skip)];
        Some(Self {
            canary: table.get("canary").and_then(|v| read_canary(&v)),
            serial: table.get("serial").map(|v| read_serial(&v)).unwrap_or_default(),
            bake_time: table.get("bake_time").and_then(|v| v.duration(false)),
            auto_promote: table.get("auto_promote").and_then(|v| v.flag()),
            gate_timeout: table.get("gate_timeout").and_then(|v| v.duration(false)),
            max_failures: table.get("max_failures").and_then(|v| read_budget(&v)),
            unreachable: table.get("unreachable").and_then(|v| v.word(&unreachable)),
            rollback_scope: table.get("rollback_scope").and_then(|v| v.word(&scopes)),
            progress_deadline: table.get("progress_deadline").and_then(|v| v.duration(false)),
            parallel: table.get("parallel").and_then(|v| v.number::<usize>(1)),
            connect_parallel: table.get("connect_parallel").and_then(|v| v.number::<usize>(1)),
        })
    }
}

fn read_canary(value: &Value<'_>) -> Option<At<RawCanary>> {
    let canary = match value.item() {
        DeValue::Integer(_) => RawCanary::Number(value.number::<usize>(1)?),
        _ => RawCanary::Selector(value.text()?),
    };
    Some(At { value: canary, place: value.place() })
}

fn read_serial(value: &Value<'_>) -> Vec<Share> {
    let items = value.list();
    if items.is_empty() && matches!(value.item(), DeValue::Array(_)) {
        let hint = "leave it out: then all hosts after the canary are one batch";
        value.complain("`serial` has no batch in it", Some(hint.to_owned()));
    }
    items.iter().filter_map(read_share).collect()
}

fn read_share(value: &Value<'_>) -> Option<Share> {
    match value.item() {
        DeValue::String(_) => match value.percent()? {
            0 => {
                value.complain("a batch can't be 0 % of the hosts", Some("it is from 1% to 100%".to_owned()));
                None
            }
            percent => Some(Share::Percent(percent)),
        },
        _ => value.number::<usize>(1).map(Share::Hosts),
    }
}

fn read_budget(value: &Value<'_>) -> Option<At<Threshold>> {
    let budget = match value.item() {
        DeValue::String(_) => Threshold::Percent(value.percent()?),
        _ => Threshold::Hosts(value.number::<usize>(0)?),
    };
    Some(At { value: budget, place: value.place() })
}

/// Returns the problem of a canary that leaves out nobody, or more.
pub(crate) fn too_many_canaries(canary: &At<RawCanary>, wanted: usize, hosts: usize) -> Problem {
    let noun = if hosts == 1 { "host" } else { "hosts" };
    Problem::at(&canary.place, format!("`canary` is {wanted}, and the fleet has {hosts} {noun}"))
        .hint("a canary is a small part of the fleet that shows whether the change is any good")
}
