//! Commands: what is in a file is taken in, what is inline stays as it is.

use super::Bench;
use crate::place::At;
use crate::place::absolute;
use crate::problem::Problem;
use crate::reader::RawCommand;
use snapback_core::change::Command;

impl Bench<'_> {
    /// Returns the command. Nothing in it is ever rendered: commands get their values from the environment.
    pub(super) fn command(&mut self, raw: &At<RawCommand>) -> Option<Command> {
        match &raw.value {
            RawCommand::Inline(text) => Some(Command::Inline(text.clone())),
            RawCommand::File(path) => match self.store.add_file(path) {
                Ok(stored) => Some(Command::File { path: absolute(path), content: stored.hash }),
                Err(why) => {
                    let problem = Problem::at(&raw.place, format!("can't read {}: {why}", path.display()));
                    self.report.add(problem.hint("the path is relative to the file that names it"));
                    None
                }
            },
        }
    }

    /// Returns the command, if one was written.
    pub(super) fn maybe(&mut self, raw: Option<&At<RawCommand>>) -> Option<Command> {
        raw.and_then(|raw| self.command(raw))
    }
}
