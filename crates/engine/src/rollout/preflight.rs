//! What a look at a host tells already of why it could not be begun, so that a staged run stops before its first change.

use super::space;
use crate::verdict::Verdict;
use snapback_core::inspection::Inspection;
use snapback_core::job::{HostJob, RunSpec};

/// Returns why the host would refuse, in the words in which it would. Its own look, under its lock, is what decides.
pub(crate) fn refusal(job: &HostJob, inspection: &Inspection, spec: &RunSpec) -> Option<Verdict> {
    let guard = &inspection.guard;
    // Whoever else holds it is dealt with by the run: a rollback that failed waits for a person.
    if let Some(pending) = inspection.pending.as_ref().filter(|pending| pending.state == "rollback_failed") {
        return Some(Verdict::refused("locked", "another transaction is open on this host", Some(pending)));
    }
    if inspection.is_unchanged() {
        return None;
    }
    if !spec.volatile_guard && guard.volatile_state {
        let text = format!("{} would not survive a reboot", guard.state_dir);
        return Some(Verdict::refused("volatile_state", &text, None));
    }
    if !spec.volatile_guard && guard.boot_hook == "none" {
        let text = "no boot hook can be installed there, so a reboot inside the window would leave the change in place";
        return Some(Verdict::refused("no_boot_hook", text, None));
    }
    space::refusal(job, inspection)
}
