//! What protects a host while it is changed, and how long.

use crate::palette::Palette;
use crate::quantity::limit;
use crate::told::{one_line, path};
use snapback_core::change::ChangeKind;
use snapback_core::check::{Check, Where};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::event::visible;
use snapback_core::inspection::{GuardFacts, Inspection};
use snapback_core::job::HostJob;
use snapback_core::proof::{Mode, Proof};
use snapback_core::undo::undo_limit;

/// Said of a host on which a reboot would not undo.
pub(super) const NO_BOOT_HOOK: &str =
    "NO boot hook: a reboot inside the window would leave the change in place";

/// Returns the lines that tell how a host is protected.
pub(super) fn lines(job: &HostJob, inspection: &Inspection, palette: Palette) -> Vec<String> {
    let guard = &inspection.guard;
    let mut lines = vec![palette.heading("guard")];
    let backend = path(&guard.backend);
    if has_boot_hook(guard) {
        lines.push(format!("  {backend}; after a reboot the boot hook undoes ({})", path(&guard.boot_hook)));
    } else {
        lines.push(format!("  {backend}; {}", palette.bad(NO_BOOT_HOOK)));
    }
    if guard.volatile_state {
        let text = format!(
            "VOLATILE: {} does not survive a reboot, and the record of how to undo goes with it",
            path(&guard.state_dir)
        );
        lines.push(format!("  {}", palette.bad(&text)));
    }
    lines.push(format!("  {}", deadline(&job.confirm)));
    lines.push(format!("  {}", undo(job, inspection)));
    lines.extend(last_resort(job, guard).into_iter().map(|text| format!("  {}", palette.notable(&text))));
    lines.push(format!("  {}", checks(&job.checks)));
    lines.extend(proof(&job.proof).map(|text| format!("  {}", palette.notable(&text))));
    lines.extend(
        guard
            .limits
            .iter()
            .map(|text| format!("  {}", palette.notable(&format!("not covered: {}", one_line(text))))),
    );
    lines
}

/// Returns whether a reboot undoes.
pub(super) fn has_boot_hook(guard: &GuardFacts) -> bool {
    guard.boot_hook != "none"
}

/// Tells when the guard undoes.
pub(super) fn deadline(policy: &ConfirmPolicy) -> String {
    format!(
        "the guard undoes unless apply ends within {} and it is confirmed within {} after (armed for {} at most)",
        limit(policy.apply_timeout),
        limit(policy.window),
        limit(policy.hard_cap)
    )
}

/// Tells how long an undo may take at most, all its items hanging.
fn undo(job: &HostJob, inspection: &Inspection) -> String {
    let watches = job.changes.iter().any(|change| match &change.kind {
        ChangeKind::Script(script) => !script.watch.is_empty(),
        ChangeKind::Files(_) => false,
        ChangeKind::Revert(_) => true,
    });
    let more = if watches { ", and longer the more it watches (1s for 50 files or 4 MB)" } else { "" };
    format!("the undo may take up to {}{more}", limit(undo_limit(job, Some(inspection))))
}

/// Tells what follows when an undo has failed.
fn last_resort(job: &HostJob, guard: &GuardFacts) -> Option<String> {
    let failsafe = job.last_resort.failsafe.as_ref().map(|c| format!("runs {}", visible(&c.summary())));
    let reboot = job.last_resort.reboot.then(|| {
        if has_boot_hook(guard) && !guard.volatile_state {
            "REBOOTS the host, once, and goes on with the undo at boot".to_owned()
        } else {
            "does not reboot: nothing here would go on with the undo after it".to_owned()
        }
    });
    let deeds: Vec<_> = failsafe.into_iter().chain(reboot).collect();
    (!deeds.is_empty()).then(|| format!("an undo that fails {}", deeds.join(", then ")))
}

/// Tells what a confirmation takes beyond checks and one connection.
pub(super) fn proof(proof: &Proof) -> Option<String> {
    let mut parts = Vec::new();
    if proof.mode == Mode::Manual {
        parts.push("a person says yes once all checks have passed".to_owned());
    }
    if proof.probes > 1 {
        parts.push(format!("{} fresh connections get in", proof.probes));
    }
    if !proof.via.is_empty() {
        let via: Vec<_> = proof.via.iter().map(|v| visible(&v.to_string())).collect();
        parts.push(format!("one gets in from each of {}", via.join(", ")));
    }
    (!parts.is_empty()).then(|| format!("confirmed only if {}", parts.join(", ")))
}

fn checks(checks: &[Check]) -> String {
    let named: Vec<_> = checks
        .iter()
        .map(|check| {
            let place = match check.runs {
                Where::Local => "local",
                Where::Remote => "remote",
            };
            let weight = if check.required { "" } else { ", only reported" };
            format!("{} ({place}{weight})", visible(&check.name))
        })
        .collect();
    if named.is_empty() {
        "no checks: a fresh ssh connection alone decides".to_owned()
    } else {
        format!("checks: {}, then a fresh ssh connection", named.join(", "))
    }
}
