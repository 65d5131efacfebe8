//! Asking a person: never unasked, and nothing typed ahead counts.

use crate::exit::Usage;
use std::io::{self, BufRead, IsTerminal, Write};

/// Above this many hosts the count is typed instead of a `y`.
const COUNT_IS_TYPED: usize = 20;

/// Refuses early where nobody could be asked.
pub(crate) fn must_be_able_to_ask(yes: bool) -> Result<(), Usage> {
    if yes || (io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(());
    }
    Err(Usage(
        "there is no terminal to ask on: pass --yes to change hosts, or --dry-run to see the plan".to_owned(),
    ))
}

/// Asks for a word to be typed in full; anything else is a no.
pub(crate) fn typed(question: &str, wanted: &str) -> io::Result<bool> {
    Ok(answer(question, &format!("type {wanted} to go on"))? == wanted)
}

/// Asks; end of file is no answer, and no answer is a no.
pub(crate) fn agreed(question: &str, hosts: usize) -> io::Result<bool> {
    let wanted = if hosts > COUNT_IS_TYPED { hosts.to_string() } else { "y".to_owned() };
    let how = if hosts > COUNT_IS_TYPED { format!("type {wanted} to go on") } else { "y/N".to_owned() };
    let said = answer(question, &how)?;
    Ok(said == wanted || (wanted == "y" && said == "yes"))
}

fn answer(question: &str, how: &str) -> io::Result<String> {
    let mut err = io::stderr();
    // Keys hit while the plan was being made answer nothing.
    rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush).ok();
    write!(err, "{question} [{how}] ")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_lowercase())
}
