//! `deploy promote` and `deploy abort`: a word to a run from another terminal or job.

use crate::args::{GlobalArgs, RunArgs};
use crate::exit::Usage;
use crate::faces::print;
use crate::wiring;
use anyhow::Context;
use snapback_core::outcome::ExitCode;
use snapback_engine::record::{Progress, RunRecord};
use snapback_engine::rollout::Signal;
use snapback_render::question::in_shell;

/// Runs the command; no host is contacted.
pub(crate) fn run(global: &GlobalArgs, args: &RunArgs, signal: Signal) -> anyhow::Result<u8> {
    let record = find(global, args)?;
    let run = &record.header.run;
    if let Some(why) = refusal(&record, signal, &words_that_find(global, args, run)) {
        return Err(Usage(format!("error: run {run} {why}")).into());
    }
    let signals = wiring::records(global)?.signals(run);
    signals.send(signal, &wiring::owner()).context("the run could not be told")?;
    print(&match signal {
        Signal::Promote => format!("run {run} goes on"),
        Signal::Abort => format!("run {run} starts no more hosts; those under way are finished"),
    });
    Ok(ExitCode::Good as u8)
}

/// The record that is meant: of the run that was named, else of the fleet's last one.
pub(super) fn find(global: &GlobalArgs, args: &RunArgs) -> anyhow::Result<RunRecord> {
    let records = wiring::records(global)?;
    let found = match args.run() {
        Some(run) if args.words.len() == 1 => records.of_run(run),
        run => {
            let fleet = wiring::load_fleet(&args.fleet(), &args.select())?;
            records.open(&fleet.name, run)
        }
    };
    found.map_err(|error| Usage(format!("error: {error}")).into())
}

/// What stands behind `deploy VERB` to mean this run: a command that is told must work as it is typed.
fn words_that_find(global: &GlobalArgs, args: &RunArgs, run: &str) -> String {
    let fleet = args.words.iter().find(|word| Some(word.as_str()) != args.run());
    let mut words: Vec<String> = fleet.map(|fleet| in_shell(fleet)).into_iter().collect();
    words.push(run.to_owned());
    if let Some(dir) = &global.state_dir {
        words.push(format!("--state-dir {}", in_shell(&dir.display().to_string())));
    }
    words.extend(
        args.vars.iter().map(|(name, value)| format!("--var {}", in_shell(&format!("{name}={value}")))),
    );
    words.join(" ")
}

/// Why the run can't be told so. `words` are what names it to another command.
fn refusal(record: &RunRecord, signal: Signal, words: &str) -> Option<String> {
    match (record.progress(), signal) {
        (Progress::AtGate, _) | (Progress::Running, Signal::Abort) => None,
        (Progress::Running, Signal::Promote) => {
            Some("is at work and waits for nothing\n  hint: `deploy promote` is for a run that waits behind its canary".to_owned())
        }
        (Progress::Finished { .. } | Progress::Died, Signal::Abort) if !record.torn().is_empty() => Some(format!(
            "is over, and a batch of it is split\n  hint: `deploy resume --undo {words}` undoes what is confirmed of it, \
             `deploy resume {words}` changes the others as well"
        )),
        (Progress::Finished { .. }, _) => Some("is over\n  hint: `deploy history` lists the runs".to_owned()),
        (Progress::Died, _) => Some(format!(
            "has no controller any more\n  hint: `deploy resume {words}` goes on with it"
        )),
    }
}
