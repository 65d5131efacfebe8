//! What protects a host while it is changed, and how long.

use crate::palette::Palette;
use crate::quantity::limit;
use crate::told::one_line;
use snapback_core::check::{Check, Where};
use snapback_core::deadline::ConfirmPolicy;
use snapback_core::event::visible;
use snapback_core::inspection::GuardFacts;
use snapback_core::job::HostJob;

/// Said of a host on which a reboot would not undo.
pub(super) const NO_BOOT_HOOK: &str =
    "NO boot hook: a reboot inside the window would leave the change in place";

/// Returns the lines that tell how a host is protected.
pub(super) fn lines(job: &HostJob, guard: &GuardFacts, palette: Palette) -> Vec<String> {
    let mut lines = vec![palette.heading("guard")];
    let backend = visible(&guard.backend);
    if has_boot_hook(guard) {
        lines.push(format!(
            "  {backend}; after a reboot the boot hook undoes ({})",
            visible(&guard.boot_hook)
        ));
    } else {
        lines.push(format!("  {backend}; {}", palette.bad(NO_BOOT_HOOK)));
    }
    if guard.volatile_state {
        let text = format!(
            "VOLATILE: {} does not survive a reboot, and the record of how to undo goes with it",
            visible(&guard.state_dir)
        );
        lines.push(format!("  {}", palette.bad(&text)));
    }
    lines.push(format!("  {}", deadline(&job.confirm)));
    lines.push(format!("  {}", checks(&job.checks)));
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
