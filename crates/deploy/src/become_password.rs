//! The password for sudo: asked for once, before any host is contacted, or taken from the environment.

use crate::args::GlobalArgs;
use crate::exit::Usage;
use anyhow::Context;
use snapback_core::way::PASSWORD_VARIABLE;
use snapback_engine::SudoPassword;
use std::io::{self, IsTerminal};

/// Returns the password, if there is to be one: `-K` asks, else the variable is looked at.
pub(crate) fn find(global: &GlobalArgs) -> anyhow::Result<Option<SudoPassword>> {
    let text = if global.ask_become_pass { Some(ask()?) } else { std::env::var(PASSWORD_VARIABLE).ok() };
    match text {
        Some(text) if text.contains(['\n', '\0']) => {
            Err(Usage(format!("error: the password in {PASSWORD_VARIABLE} holds a line break")).into())
        }
        Some(text) if text.is_empty() && global.ask_become_pass => {
            Err(Usage("error: no password was typed".to_owned()).into())
        }
        Some(text) if text.is_empty() => Ok(None),
        text => Ok(text.map(|text| SudoPassword::new(text.into()))),
    }
}

fn ask() -> anyhow::Result<String> {
    let terminal = console::Term::stderr();
    if !(io::stdin().is_terminal() && terminal.is_term()) {
        return Err(Usage(format!(
            "error: there is no terminal to ask for the password on\n  hint: set {PASSWORD_VARIABLE} instead of passing -K"
        ))
        .into());
    }
    terminal.write_str("password for sudo on the hosts: ")?;
    let text = terminal.read_secure_line().context("the password could not be read")?;
    terminal.write_line("")?;
    Ok(text)
}
