//! The scripts of `agent-scripts/` as one file: functions first, the call of `main` last, so that a file cut short
//! in transit defines functions and does nothing.

use crate::hash::sha256_hex;
use std::sync::{Arc, LazyLock};

/// The parts in the order in which they are joined.
const PARTS: &[&str] = &[
    include_str!("../../../agent-scripts/lib/say.sh"),
    include_str!("../../../agent-scripts/lib/process.sh"),
    include_str!("../../../agent-scripts/lib/record.sh"),
    include_str!("../../../agent-scripts/lib/turn.sh"),
    include_str!("../../../agent-scripts/lib/bar.sh"),
    include_str!("../../../agent-scripts/lib/stall.sh"),
    include_str!("../../../agent-scripts/lib/lease.sh"),
    include_str!("../../../agent-scripts/lib/mount.sh"),
    include_str!("../../../agent-scripts/lib/step.sh"),
    include_str!("../../../agent-scripts/lib/name.sh"),
    include_str!("../../../agent-scripts/lib/hundred.sh"),
    include_str!("../../../agent-scripts/lib/listing.sh"),
    include_str!("../../../agent-scripts/lib/rescue.sh"),
    include_str!("../../../agent-scripts/lib/place.sh"),
    include_str!("../../../agent-scripts/lib/writable.sh"),
    include_str!("../../../agent-scripts/lib/flags.sh"),
    include_str!("../../../agent-scripts/lib/snapshot.sh"),
    include_str!("../../../agent-scripts/lib/theirs.sh"),
    include_str!("../../../agent-scripts/lib/universe.sh"),
    include_str!("../../../agent-scripts/lib/restore.sh"),
    include_str!("../../../agent-scripts/lib/change.sh"),
    include_str!("../../../agent-scripts/lib/space.sh"),
    include_str!("../../../agent-scripts/lib/seal.sh"),
    include_str!("../../../agent-scripts/lib/undo.sh"),
    include_str!("../../../agent-scripts/lib/last_resort.sh"),
    include_str!("../../../agent-scripts/lib/carry.sh"),
    include_str!("../../../agent-scripts/lib/history.sh"),
    include_str!("../../../agent-scripts/lib/range.sh"),
    include_str!("../../../agent-scripts/changes/files.sh"),
    include_str!("../../../agent-scripts/changes/script.sh"),
    include_str!("../../../agent-scripts/changes/revert.sh"),
    include_str!("../../../agent-scripts/guard/systemd.sh"),
    include_str!("../../../agent-scripts/guard/bare.sh"),
    include_str!("../../../agent-scripts/guard/guard.sh"),
    include_str!("../../../agent-scripts/guard/hook.sh"),
    include_str!("../../../agent-scripts/guard/hook-systemd.sh"),
    include_str!("../../../agent-scripts/guard/hook-openrc.sh"),
    include_str!("../../../agent-scripts/guard/hook-sysvinit.sh"),
    include_str!("../../../agent-scripts/guard/hook-openwrt.sh"),
    include_str!("../../../agent-scripts/guard/panic.sh"),
    include_str!("../../../agent-scripts/verb/supervise.sh"),
    include_str!("../../../agent-scripts/verb/run.sh"),
    include_str!("../../../agent-scripts/verb/check.sh"),
    include_str!("../../../agent-scripts/verb/inspect.sh"),
    include_str!("../../../agent-scripts/verb/status.sh"),
    include_str!("../../../agent-scripts/verb/begin.sh"),
    include_str!("../../../agent-scripts/verb/confirm.sh"),
    include_str!("../../../agent-scripts/verb/despite.sh"),
    include_str!("../../../agent-scripts/verb/extend.sh"),
    include_str!("../../../agent-scripts/verb/resolve.sh"),
    include_str!("../../../agent-scripts/verb/rollback.sh"),
    include_str!("../../../agent-scripts/verb/history.sh"),
    include_str!("../../../agent-scripts/verb/doctor.sh"),
    include_str!("../../../agent-scripts/main.sh"),
];

/// The agent as it is sent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The script.
    pub text: Arc<[u8]>,
    /// Its SHA-256: its name on the target.
    pub hash: String,
}

/// Returns the agent that this version speaks to.
#[must_use]
pub fn agent() -> &'static Agent {
    static AGENT: LazyLock<Agent> = LazyLock::new(|| {
        let text = join();
        Agent { hash: sha256_hex(text.as_bytes()), text: text.into_bytes().into() }
    });
    &AGENT
}

/// Joins the parts. Comment lines stay behind: the target reads this file several times for each transaction.
fn join() -> String {
    let lines = PARTS.iter().flat_map(|part| part.lines());
    let code = lines.filter(|line| !line.trim_start().starts_with("# ") && !line.trim().is_empty());
    let mut text = String::from("#!/bin/sh\n");
    for line in code {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_script_is_in_the_bundle() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agent-scripts");
        let text = String::from_utf8(agent().text.to_vec()).unwrap();
        let mut files = 0;
        for folder in ["lib", "changes", "guard", "verb"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let script = std::fs::read_to_string(&path).unwrap();
                let function = script.lines().find(|l| l.contains("() {")).unwrap();
                assert!(text.contains(function), "{} is not in the bundle", path.display());
                files += 1;
            }
        }
        assert_eq!(files + 1, PARTS.len());
    }

    #[test]
    fn no_function_is_defined_twice() {
        // The later one would win, for whoever meant the earlier one as well.
        let mut known = std::collections::HashSet::new();
        for line in PARTS.iter().flat_map(|part| part.lines()) {
            let Some(name) = line.strip_suffix("() {") else { continue };
            assert!(known.insert(name), "{name} is defined twice");
        }
        assert!(known.len() > 400);
    }

    #[test]
    fn the_last_line_is_the_only_one_that_does_anything() {
        let text = String::from_utf8(agent().text.to_vec()).unwrap();
        assert_eq!(text.lines().last(), Some("main \"$@\""));
        assert_eq!(text.matches("\nmain \"$@\"").count(), 1);
    }
}
