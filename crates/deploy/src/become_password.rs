//! The password for sudo: asked for once, before any host is contacted, or taken from the environment.

use crate::args::GlobalArgs;
use crate::exit::Usage;
use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use snapback_core::way::PASSWORD_VARIABLE;
use snapback_engine::SudoPassword;
use std::io::{self, BufRead, IsTerminal, Write};

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
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Usage(format!(
            "error: there is no terminal to ask for the password on\n  hint: set {PASSWORD_VARIABLE} instead of passing -K"
        ))
        .into());
    }
    read_unseen().context("the password could not be read")
}

/// The echo goes before the question comes, so that nothing that is typed as an answer can be seen.
fn read_unseen() -> io::Result<String> {
    let _echo = Echo::off()?;
    let mut err = io::stderr();
    write!(err, "password for sudo on the hosts: ")?;
    err.flush()?;
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text)?;
    writeln!(err)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Puts the terminal's echo back when it goes.
struct Echo(Termios);

impl Echo {
    fn off() -> io::Result<Self> {
        let was = tcgetattr(io::stdin())?;
        let mut quiet = was.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(was))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // An error means that the terminal has gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
