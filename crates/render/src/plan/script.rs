//! A `script` change on the page.

use crate::palette::Palette;
use crate::told::{one_line, path};
use snapback_core::change::{Command, ScriptChange};
use snapback_core::local_change::LocalChange;

/// Returns the lines of a script that would run.
pub(super) fn lines(script: &ScriptChange, palette: Palette) -> Vec<String> {
    let when = if script.unless.is_some() { "`unless` said no" } else { "no `unless`: always runs" };
    let mut lines = vec![format!("apply  {}  ({when})", command(&script.apply))];
    if let Some(rollback) = &script.rollback {
        lines.push(format!("undo   rollback: {}", command(rollback)));
    }
    if !script.watch.is_empty() {
        let watched: Vec<_> = script.watch.iter().map(|watched| path(watched)).collect();
        lines.push(format!("undo   watch puts back: {}", watched.join(", ")));
    }
    if is_irreversible(script) {
        lines.push(palette.bad("undo   IRREVERSIBLE: nothing undoes this"));
    } else if script.irreversible {
        lines.push(palette.bad("undo   IRREVERSIBLE in part: what is above is all that is undone"));
    }
    lines
}

/// Returns the lines of a script that would run on the controller.
pub(super) fn local_lines(change: &LocalChange, palette: Palette) -> Vec<String> {
    let when = if change.unless.is_some() {
        "before the host is changed, if `unless` says no"
    } else {
        "before the host is changed"
    };
    let mut lines = vec![format!("apply  {}  ({when})", command(&change.apply))];
    lines.extend(change.rollback.iter().map(|rollback| format!("undo   rollback: {}", command(rollback))));
    lines.extend(change.after.iter().map(|after| format!("after  {}", command(after))));
    if change.rollback.is_none() {
        lines.push(palette.bad("undo   IRREVERSIBLE: nothing undoes this"));
    }
    lines
}

/// Returns whether nothing at all would undo it.
pub(super) fn is_irreversible(script: &ScriptChange) -> bool {
    script.rollback.is_none() && script.watch.is_empty()
}

/// Returns one line for a command, and says when it has more.
pub(super) fn command(command: &Command) -> String {
    let more = match command {
        Command::Inline(text) => {
            text.lines().filter(|line| !line.trim().is_empty()).count().saturating_sub(1)
        }
        Command::File { .. } => 0,
    };
    let rest = if more > 0 {
        format!(" (and {} more)", crate::quantity::count(more, "line"))
    } else {
        String::new()
    };
    one_line(&command.summary()) + &rest
}
