//! `[hooks]`, with what their files hold.

use super::Bench;
use crate::file::Document;
use snapback_core::hook::{HOOK_TIMEOUT, Hooks};

impl Bench<'_> {
    /// Returns the hooks of the fleet.
    pub(super) fn hooks(&mut self, document: &Document) -> Hooks {
        let Some(raw) = document.hooks.as_ref().map(|hooks| &hooks.value) else { return Hooks::default() };
        let mut hooks = Hooks { timeout: raw.timeout.unwrap_or(HOOK_TIMEOUT), ..Hooks::default() };
        for (hook, command) in &raw.commands {
            hooks.commands.extend(self.command(command).map(|command| (*hook, command)));
        }
        hooks
    }
}
