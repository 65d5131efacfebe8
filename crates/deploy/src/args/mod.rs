//! The command line, as it is typed.

mod go;
mod other;
mod which;

pub(crate) use go::{AgainArgs, ApplyArgs, CareArgs, GoArgs, ResumeArgs, RollbackArgs};
pub(crate) use other::{
    ConfirmArgs, DemoArgs, ExtendArgs, ForgetArgs, HistoryArgs, InitArgs, LogsArgs, PlanArgs, ResolveArgs,
    UnlockArgs,
};
pub(crate) use which::{FleetArgs, PendingArgs, RunArgs, SelectArgs};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use snapback_core::outcome::{EXIT_CODES, ExitCode};
use std::path::PathBuf;

/// Where to begin, below the lists.
const BEGIN: &str = "\
Begin with:
  deploy demo           Three hosts of its own on this machine, locked out and back
  deploy init HOST...   A short fleet.toml
  deploy doctor         What would keep its hosts from being deployed to
  deploy ./fleet.toml   Plan, ask, change
";

fn exit_codes() -> String {
    let line = |(code, text): &(ExitCode, &str)| format!("  {:<3}  {text}\n", *code as u8);
    format!("\nExit codes:\n{}", EXIT_CODES.iter().map(line).collect::<String>())
}

/// Push changes to Linux hosts over SSH. No host can stay locked out: a guard on the host puts the old state back
/// unless a fresh connection confirms the change.
#[derive(Debug, Parser)]
#[command(name = "deploy", version, arg_required_else_help = true)]
#[command(after_help = BEGIN, after_long_help = [BEGIN, &exit_codes()].concat())]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) apply: ApplyArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// What every command takes.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct GlobalArgs {
    /// Say more: -v output of commands, and each of many hosts; -vv everything and ssh's own words
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// `human` is for people; `json` is one object a line on stdout
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    pub(crate) output: Output,
    /// Where the records of runs are kept [default: $XDG_STATE_HOME/snapback]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Ask for the password that sudo wants on the hosts, once [or set DEPLOY_BECOME_PASSWORD]
    #[arg(short = 'K', long, global = true)]
    pub(crate) ask_become_pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what would change, host by host
    Plan(PlanArgs),
    /// Show pending transactions and how the last ones ended
    Status(PendingArgs),
    /// Confirm a pending transaction over a fresh connection
    Confirm(ConfirmArgs),
    /// Give a pending transaction more time
    Extend(ExtendArgs),
    /// Roll back what is pending or failed to roll back; else go back to before a confirmed run
    Rollback(RollbackArgs),
    /// Accept hosts whose rollback failed as they are
    Resolve(ResolveArgs),
    /// Let a run go on that waits behind its canary
    Promote(RunArgs),
    /// Have a run start no more hosts; those under way are finished
    Abort(RunArgs),
    /// Run again on the hosts that the last run left undone: failed, unreachable, not reached
    Retry(AgainArgs),
    /// Go on with a run that ended before its end, by its own batches and rules
    Resume(ResumeArgs),
    /// List the runs of a fleet, or what its hosts hold of them; `rm RUN` frees that
    History(HistoryArgs),
    /// Show all that a run told of a host
    Logs(LogsArgs),
    /// Show whose lease keeps hosts from being deployed to, and take it away
    Unlock(UnlockArgs),
    /// Find what would keep a host from being deployed to
    Doctor(FleetArgs),
    /// Write a short fleet file that runs
    Init(InitArgs),
    /// Remove every trace of snapback from hosts
    Forget(ForgetArgs),
    /// Watch a private fleet on this machine lose its connection and get it back
    Demo(DemoArgs),
}

impl Args {
    /// Parses the command line; a bare `deploy` prints help and leaves with 2.
    pub(crate) fn parse_checked() -> Self {
        Self::parse_these(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn parse_these(
        words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let args = Self::from_arg_matches(&matches)?;
        match (matches.subcommand_name(), &args.apply.fleet) {
            (Some(name), _) => refuse_lost_words(&matches, name).map(|()| args),
            (None, None) => Err(Self::command()
                .error(ErrorKind::MissingRequiredArgument, "which fleet? try: deploy ./fleet.toml")),
            (None, Some(_)) => Ok(args),
        }
    }
}

/// Words of `deploy FLEET` that stand before a command would be lost on it; what every command takes may stand there.
fn refuse_lost_words(matches: &ArgMatches, name: &str) -> Result<(), clap::Error> {
    let command = Args::command();
    let lost = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set())
        .find(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine));
    let Some(lost) = lost else { return Ok(()) };
    let word = lost.get_long().map_or_else(|| "FLEET".to_owned(), |long| format!("--{long}"));
    let text = format!("{word} before `{name}` means nothing to it: put what `{name}` takes behind it");
    Err(Args::command().error(ErrorKind::ArgumentConflict, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_fleet_needs_no_subcommand() {
        let args = Args::parse_from(["deploy", "shop.toml", "--yes", "--var", "a=b=c"]);
        assert_eq!(args.apply.fleet, Some("shop.toml".into()));
        assert_eq!(args.apply.select.vars, [("a".to_owned(), "b=c".to_owned())]);
        assert!(matches!(Args::parse_from(["deploy", "status"]).command, Some(Command::Status(_))));
    }

    #[test]
    fn what_every_command_takes_may_stand_before_it_and_nothing_else() {
        let args = Args::parse_these(["deploy", "--state-dir", "/s", "-v", "plan", "f.toml"]).unwrap();
        assert_eq!((args.global.state_dir, args.global.verbose), (Some("/s".into()), 1));
        assert!(matches!(args.command, Some(Command::Plan(plan)) if plan.fleet.fleet == *"f.toml"));
        let args = Args::parse_these(["deploy", "--output", "json", "status", "--state-dir", "/s"]).unwrap();
        assert_eq!((args.global.output, args.global.state_dir), (Output::Json, Some("/s".into())));
        for words in [["deploy", "--yes", "plan"], ["deploy", "f.toml", "plan"]] {
            let said = Args::parse_these(words).unwrap_err().to_string();
            assert!(said.contains("before `plan` means nothing to it"), "{said}");
        }
        assert!(
            Args::parse_these(["deploy", "--state-dir", "/s"])
                .unwrap_err()
                .to_string()
                .contains("which fleet")
        );
    }
}
