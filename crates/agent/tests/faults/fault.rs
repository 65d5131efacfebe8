//! What is done to a target, and how it is let go again.

use crate::disk::Disk;
use crate::stage::Stage;
use crate::target::{Begun, Target};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use snapback_testkit::faults::{Rng, Tamper};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// What strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These of the transaction's processes get SIGKILL.
    Kill(Who),
    /// These get SIGSTOP.
    Stop(Who),
    /// All die at once, and the boot hook follows; its first try may be killed, too.
    PowerCut,
    /// Something is done to a file of the record.
    Record,
    /// No space, by the disk's size or by a quota, no inodes, no writing.
    Full,
    Quota,
    Inodes,
    ReadOnly,
}

/// Processes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Session,
    Runner,
    Supervisor,
    Backup,
    Undoer,
    Guard,
    Anybody,
    Everybody,
}

const KILLED: [Who; 8] = [
    Who::Session,
    Who::Runner,
    Who::Supervisor,
    Who::Backup,
    Who::Undoer,
    Who::Guard,
    Who::Anybody,
    Who::Everybody,
];

impl Fault {
    /// Draws one for a case; those of a disk only where there is one.
    pub fn draw(rng: &mut Rng, disk: Option<&Disk>, brief: bool) -> Self {
        if disk.is_some_and(|disk| disk.quota) {
            return Self::Quota;
        }
        if disk.is_some() {
            return [Self::Full, Self::Inodes, Self::ReadOnly][rng.usize(..3)];
        }
        match rng.u32(0..20) {
            0..9 => Self::Kill(KILLED[rng.usize(..KILLED.len())]),
            // What is stopped is overruled ten seconds after the deadline, and an undo much later.
            9..11 if !brief => {
                Self::Stop([Who::Session, Who::Runner, Who::Supervisor, Who::Backup][rng.usize(..4)])
            }
            9..15 => Self::PowerCut,
            _ => Self::Record,
        }
    }

    fn name(self) -> String {
        let who = |who: Who| format!("{who:?}").to_lowercase();
        match self {
            Self::Kill(whom) => format!("kill -9: {}", who(whom)),
            Self::Stop(whom) => format!("kill -STOP: {}", who(whom)),
            Self::PowerCut => "power cut".to_owned(),
            Self::Record => "record".to_owned(),
            Self::Full => "disk: no space".to_owned(),
            Self::Quota => "disk: quota exhausted".to_owned(),
            Self::Inodes => "disk: no inodes".to_owned(),
            Self::ReadOnly => "disk: read-only".to_owned(),
        }
    }
}

/// What was done, for the table and for whoever reads of a failure.
pub struct Struck {
    pub name: String,
    pub detail: String,
    /// Stopped processes, to be continued in the end.
    pub stopped: Vec<u32>,
    /// It must be resolved by somebody who comes by: no guard may be left.
    pub tampered: bool,
}

pub fn strike(fault: Fault, rng: &mut Rng, stage: &Stage, begun: &Begun) -> Struck {
    let mut struck =
        Struck { name: fault.name(), detail: String::new(), stopped: Vec::new(), tampered: false };
    let t = &stage.target;
    match fault {
        Fault::Kill(who) => pids(who, rng, t, begun).into_iter().for_each(|pid| signal(pid, Signal::SIGKILL)),
        Fault::Stop(who) => {
            struck.stopped = pids(who, rng, t, begun);
            struck.stopped.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
        }
        Fault::PowerCut => {
            cut_power(t);
            boot(rng, t, begun);
        }
        Fault::Record => {
            let (way, file) = Tamper::draw(rng);
            way.strike(&t.tx(&begun.tx, file));
            struck.name = way.name().to_owned();
            struck.detail = format!("{way:?} {file}");
            struck.tampered = true;
        }
        Fault::Full | Fault::Quota => stage.disk.iter().for_each(Disk::fill),
        Fault::Inodes => stage.disk.iter().for_each(Disk::fill_inodes),
        Fault::ReadOnly => {
            if !stage.disk.as_ref().is_some_and(Disk::read_only) {
                struck.detail = "somebody was always writing".to_owned();
            }
        }
    }
    struck
}

pub fn signal(pid: u32, signal: Signal) {
    // One that has ended already is nobody's loss.
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

fn pids(who: Who, rng: &mut Rng, t: &Target, begun: &Begun) -> Vec<u32> {
    let named = |names: &[&str]| names.iter().filter_map(|name| t.pid(&begun.tx, name)).collect();
    match who {
        Who::Session => named(&["holder"]),
        Who::Runner => named(&["runner"]),
        Who::Supervisor => named(&["supervisor"]),
        Who::Backup => named(&["backup"]),
        Who::Undoer => named(&["carry.1", "carry.2", "carry.3"]),
        Who::Guard => named(&["supervisor", "backup"]),
        Who::Anybody => {
            let all = t.processes();
            if all.is_empty() { Vec::new() } else { vec![all[rng.usize(..all.len())].0] }
        }
        Who::Everybody => t.processes().into_iter().map(|(pid, _)| pid).collect(),
    }
}

/// Kills all at once: first everything is stopped, so that nobody lives to see another's end.
pub fn cut_power(t: &Target) {
    for sign in [Signal::SIGSTOP, Signal::SIGSTOP, Signal::SIGKILL] {
        t.processes().into_iter().for_each(|(pid, _)| signal(pid, sign));
    }
    for _ in 0..200 {
        if t.processes().is_empty() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
}

/// The boot hook's three stages; in a third of all cases the power goes again in the middle of one.
pub fn boot(rng: &mut Rng, t: &Target, begun: &Begun) {
    if rng.u32(0..3) == 0 {
        let stage = ["boot", "boot-late"][rng.usize(..2)];
        if let Some(mut hook) = hook(t, begun, stage) {
            sleep(Duration::from_millis(rng.u64(0..150)));
            cut_power(t);
            hook.wait().unwrap();
        }
    }
    for stage in ["boot", "boot-mounted", "boot-late"] {
        if let Some(mut hook) = hook(t, begun, stage) {
            hook.wait().unwrap();
        }
    }
}

/// Starts a stage of the boot hook, if there is something to do for it.
fn hook(t: &Target, begun: &Begun, stage: &str) -> Option<std::process::Child> {
    let agent = t.tx(&begun.tx, "agent.sh");
    if !agent.exists() || !t.state().join("current").exists() {
        return None;
    }
    let mut words = t.shell.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(agent).args(["-", t.state().to_str().unwrap(), "plain", "-", "boot"]);
    command.args([&begun.tx, stage]).env_clear().env("SNAPBACK_SH", t.shell);
    Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}
