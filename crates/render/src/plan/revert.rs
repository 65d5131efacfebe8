//! The way back to before a run, on the page.

use crate::palette::Palette;
use snapback_core::change::RevertChange;
use snapback_core::event::visible;
use snapback_core::inspection::RevertFound;

/// How many paths are listed.
const MOST: usize = 40;

/// Returns the lines of what going back would do.
pub(super) fn lines(change: &RevertChange, found: &RevertFound, palette: Palette) -> Vec<String> {
    let mut lines = vec![format!("back to before run {}", visible(&change.to))];
    for path in found.paths.iter().take(MOST) {
        let what = if path.remove { "- remove" } else { "~ put back" };
        let line = format!("{what} {}", crate::told::path(&path.path));
        lines.push(match path.conflict {
            true => palette.bad(&format!("{line}  (CONFLICT: somebody else changed it since)")),
            false => line,
        });
    }
    if let Some(rest) = found.paths.len().checked_sub(MOST).filter(|rest| *rest > 0) {
        lines.push(format!("and {rest} paths more"));
    }
    lines.extend(found.scripts.iter().map(|script| format!("run the rollback of {script}")));
    lines.extend(found.handlers.iter().map(|handler| format!("run handler {handler}")));
    let stays = |script: &String| palette.bad(&format!("{script} can't be undone: what it did STAYS"));
    lines.extend(found.stuck.iter().map(stays));
    lines
}
