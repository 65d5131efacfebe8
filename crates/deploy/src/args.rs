//! The command line, as it is typed.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgMatches, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use snapback_core::outcome::{EXIT_CODES, ExitCode};
use snapback_core::proof::Mode;
use snapback_core::rollout::StopAfter;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// Which fleet, and which of its hosts.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct FleetArgs {
    /// The fleet file
    #[arg(value_name = "FLEET", default_value = "./fleet.toml")]
    pub(crate) fleet: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// Which hosts, with which variables.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SelectArgs {
    /// Only these hosts: names, globs, tag:x, group:x, joined by !, && and ||
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) limit: Option<String>,
    /// Set a variable; wins over the fleet file
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_var)]
    pub(crate) vars: Vec<(String, String)>,
}

/// `deploy FLEET`: plan, ask, change.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ApplyArgs {
    /// The fleet file: plan, ask, and change its hosts
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Change the hosts without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Who says that a host whose checks have passed may be confirmed; wins over `mode` of the fleet file
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) confirm: Option<Confirm>,
    /// Show the plan and stop
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Go on where a reboot inside the window would not undo: no boot hook is possible, or a reboot loses the record
    #[arg(long)]
    pub(crate) volatile_guard: bool,
    /// End after the canary, or after the batch with this number; running again goes on from there
    #[arg(long, value_name = "canary|BATCH", value_parser = parse_stop)]
    pub(crate) stop_after: Option<StopAfter>,
    #[command(flatten)]
    pub(crate) care: CareArgs,
    /// What the run is for, shown to whoever finds a host locked by it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,
}

/// What to do about hosts that others hold, or that are protected.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CareArgs {
    /// Wait so long, like 10m, for hosts that another run holds [default: not at all]
    #[arg(long, value_name = "TIME", value_parser = snapback_fleet::parse_duration, conflicts_with = "dry_run")]
    lock_wait: Option<Duration>,
    /// Change hosts that the fleet file protects as well
    #[arg(long)]
    pub(crate) allow_protected: bool,
}

impl CareArgs {
    /// How long hosts that another run holds are waited for.
    pub(crate) fn wait(&self) -> Duration {
        self.lock_wait.unwrap_or_default()
    }
}

/// Who confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Confirm {
    /// The checks alone
    Auto,
    /// A person, once the checks have passed
    Manual,
}

impl From<Confirm> for Mode {
    fn from(confirm: Confirm) -> Self {
        match confirm {
            Confirm::Auto => Self::Auto,
            Confirm::Manual => Self::Manual,
        }
    }
}

/// Which pending transactions.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct PendingArgs {
    /// The fleet file, or the id of a run: then its record says which hosts and how they are reached
    #[arg(value_name = "FLEET|RUN", default_value = "./fleet.toml")]
    pub(crate) target: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// The record of a run that another machine has started; `-` is standard input, and $DEPLOY_RECORD may hold its
    /// text
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfirmArgs {
    #[command(flatten)]
    pub(crate) pending: PendingArgs,
    /// Confirm although this required check is red; every red one must be named, and no other
    #[arg(long, value_name = "CHECK")]
    pub(crate) despite: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExtendArgs {
    #[command(flatten)]
    pub(crate) pending: PendingArgs,
    /// By how much, like 10m; never past `hard_cap`
    #[arg(long, value_name = "TIME", value_parser = snapback_fleet::parse_duration)]
    pub(crate) by: Duration,
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

/// Which run of which fleet.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// The fleet file [default: ./fleet.toml], the id of a run [default: the last one], or both
    #[arg(value_name = "FLEET|RUN", num_args = 0..=2)]
    pub(crate) words: Vec<String>,
    /// Set a variable, where the fleet file needs one
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_var)]
    pub(crate) vars: Vec<(String, String)>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) pending: PendingArgs,
    /// Go back to before this run: it and all runs of this fleet since are undone [default: the last confirmed one]
    #[arg(long, value_name = "RUN")]
    pub(crate) to: Option<String>,
    /// Go back without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show the plan of going back and stop
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Go on where a reboot inside the window would not undo
    #[arg(long)]
    pub(crate) volatile_guard: bool,
    #[command(flatten)]
    pub(crate) care: CareArgs,
    /// What it is for, shown to whoever finds a host locked by it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,
}

impl RollbackArgs {
    /// Whether it names a run, or brings its record: then it is about what that run has left open.
    pub(crate) fn names_a_run(&self) -> bool {
        self.pending.record.is_some() || self.pending.target.to_str().is_some_and(is_run)
    }
}

/// A fleet file, hosts of it, or both.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct HostsArgs {
    /// Hosts, or the fleet file [default: ./fleet.toml], or both
    #[arg(value_name = "FLEET|HOST")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

impl HostsArgs {
    /// The fleet file.
    pub(crate) fn fleet(&self) -> PathBuf {
        PathBuf::from(self.words.iter().find(|word| is_file(word)).map_or("./fleet.toml", String::as_str))
    }

    /// Whether a host was named.
    pub(crate) fn names_any(&self) -> bool {
        self.words.iter().any(|word| !is_file(word))
    }

    /// Which of its hosts: those that were named, within `--limit`.
    pub(crate) fn select(&self) -> SelectArgs {
        let hosts: Vec<&str> = self.words.iter().map(String::as_str).filter(|word| !is_file(word)).collect();
        let hosts = (!hosts.is_empty()).then(|| hosts.join(" || "));
        let limit = match (hosts, self.select.limit.clone()) {
            (Some(hosts), Some(limit)) => Some(format!("({hosts}) && ({limit})")),
            (hosts, limit) => hosts.or(limit),
        };
        SelectArgs { limit, vars: self.select.vars.clone() }
    }
}

/// Whether a word names a file: no host is called so.
fn is_file(word: &str) -> bool {
    word.contains('/') || Path::new(word).extension().is_some_and(|end| end == "toml")
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) hosts: HostsArgs,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HistoryArgs {
    /// Hosts to ask what they hold, or `rm RUN` to free what hosts hold of a run, and the fleet file [default:
    /// ./fleet.toml]
    #[arg(value_name = "FLEET|HOST")]
    pub(crate) words: Vec<String>,
    /// Ask the hosts what they hold, to go back to
    #[arg(long)]
    pub(crate) hosts: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

impl HistoryArgs {
    /// The fleet file, and its hosts that were named.
    pub(crate) fn fleet(&self) -> HostsArgs {
        let words = if self.freed().is_some() { &self.words[2..] } else { &self.words[..] };
        HostsArgs { words: words.to_vec(), select: self.select.clone() }
    }

    /// The run that `rm` names.
    pub(crate) fn freed(&self) -> Option<&str> {
        match self.words.as_slice() {
            [rm, run, ..] if rm == "rm" && is_run(run) => Some(run),
            _ => None,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgainArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Change the hosts without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show the plan and stop
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Go on where a reboot inside the window would not undo
    #[arg(long)]
    pub(crate) volatile_guard: bool,
    #[command(flatten)]
    pub(crate) care: CareArgs,
    /// What the run is for, shown to whoever finds a host locked by it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) comment: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) again: AgainArgs,
    /// Of batches that were to be confirmed as one and were split, undo what is confirmed; go on with nothing
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogsArgs {
    /// The host
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl RunArgs {
    /// The fleet file.
    pub(crate) fn fleet(&self) -> PathBuf {
        let fleet = self.words.iter().find(|word| !is_run(word));
        PathBuf::from(fleet.map_or("./fleet.toml", String::as_str))
    }

    /// The run, if one was named.
    pub(crate) fn run(&self) -> Option<&str> {
        self.words.iter().map(String::as_str).find(|word| is_run(word))
    }

    /// As other commands name it.
    pub(crate) fn select(&self) -> SelectArgs {
        SelectArgs { limit: None, vars: self.vars.clone() }
    }
}

/// A ULID: nobody calls a fleet file so.
fn is_run(word: &str) -> bool {
    word.len() == 26 && word.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Exit 0: no change, 1: error, 2: changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// I have looked at the host, and it may stay as it is
    #[arg(long, required = true)]
    pub(crate) accept: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// Hosts, as typed after `ssh`
    #[arg(value_name = "HOST", required = true)]
    pub(crate) hosts: Vec<String>,
    /// The file to write; an existing one is never overwritten
    #[arg(long, value_name = "FILE", default_value = "./fleet.toml")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Keep the fleet's folder and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
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

fn parse_stop(text: &str) -> Result<StopAfter, String> {
    match text.parse() {
        _ if text == "canary" => Ok(StopAfter::Canary),
        Ok(number) if number > 0 => Ok(StopAfter::Batch(number)),
        _ => Err("it is `canary` or the number of a batch; `deploy plan` lists them".to_owned()),
    }
}

fn parse_var(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not NAME=VALUE")),
    }
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

    #[test]
    fn a_run_is_told_from_a_fleet() {
        let words = |words: &[&str]| {
            let run = RunArgs { words: words.iter().map(|w| (*w).to_owned()).collect(), vars: Vec::new() };
            (run.fleet().display().to_string(), run.run().map(str::to_owned))
        };
        let id = "01JQ8ZZZZZZZZZZZZZZZZZZZZZ";
        assert_eq!(words(&[]), ("./fleet.toml".to_owned(), None));
        assert_eq!(words(&["shop.toml"]), ("shop.toml".to_owned(), None));
        assert_eq!(words(&[id]), ("./fleet.toml".to_owned(), Some(id.to_owned())));
        assert_eq!(words(&[id, "shop.toml"]), ("shop.toml".to_owned(), Some(id.to_owned())));
    }
}
