//! `cargo xtask lab`: a lab that stays up between commands.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use snapback_testkit::lab::{HostKind, Lab, LabHost, ensure_images};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

/// What to do with a lab.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a lab of N hosts, called host1 to hostN
    Up(Up),
    /// Run a command inside a host, or on the lab's controller with `controller` for HOST
    Exec(Exec),
    /// Build the trees that hosts share, if they aren't there yet
    Images,
    /// Take a lab away
    Down(Which),
    /// Say how to reach the hosts of a lab
    SshConfig(Which),
}

/// A lab by its name.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The lab's name
    #[arg(long, default_value = "lab")]
    name: String,
}

/// Arguments of `lab up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// How many hosts
    hosts: usize,
    /// What they run: plain, systemd, openrc, sysvinit or openwrt
    #[arg(long, default_value_t = HostKind::Plain)]
    kind: HostKind,
    #[command(flatten)]
    which: Which,
}

/// Arguments of `lab exec`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    which: Which,
    /// The host, or `controller`
    host: String,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Does it.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(up) => start(&up),
        Command::Exec(exec) => execute(&exec),
        Command::Images => {
            ensure_images()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Down(which) => {
            Lab::open(&which.name)?.down()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::SshConfig(which) => {
            explain(&Lab::open(&which.name)?, &which.name)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Boots hosts of one kind, four at a time.
pub(crate) fn boot_hosts(lab: &Lab, names: &[String], kind: HostKind) -> Result<Vec<LabHost>> {
    let mut hosts = Vec::new();
    for some in names.chunks(4) {
        let booted = thread::scope(|scope| {
            let boot = |name| scope.spawn(move || lab.host(name).kind(kind).boot());
            let booting: Vec<_> = some.iter().map(|name| boot(name)).collect();
            booting.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        for host in booted {
            hosts.push(host.map_err(|_| anyhow::anyhow!("a thread that booted a host panicked"))??);
        }
    }
    Ok(hosts)
}

fn start(up: &Up) -> Result<ExitCode> {
    let begun = Instant::now();
    let lab = Lab::keep(&up.which.name)?;
    let kind = up.kind;
    let names: Vec<String> = (1..=up.hosts).map(|number| format!("host{number}")).collect();
    boot_hosts(&lab, &names, kind)?;
    println!("{} {kind} hosts in {:.1} s", up.hosts, begun.elapsed().as_secs_f64());
    explain(&lab, &up.which.name)?;
    Ok(ExitCode::SUCCESS)
}

fn explain(lab: &Lab, name: &str) -> Result<()> {
    for host in lab.hosts()? {
        println!("  {}  {}", host.name(), host.address());
    }
    println!("Commands on its controller know the hosts by name, in ssh as root or as deploy@:");
    println!("  cargo xtask lab exec --name {name} controller -- ssh host1 hostname");
    println!(
        "  cargo xtask lab exec --name {name} controller -- \"$PWD/target/debug/deploy\" \"$PWD/fleet.toml\""
    );
    println!("Its ssh configuration, should a fleet file want to name it (`ssh_config = ...`):");
    println!("  {}", lab.ssh_config().display());
    Ok(())
}

fn execute(exec: &Exec) -> Result<ExitCode> {
    let lab = Lab::open(&exec.which.name)?;
    let (program, arguments) = exec.command.split_first().context("no command")?;
    let mut command = if exec.host == "controller" {
        let mut command = lab.controller_command(program);
        command.args(arguments);
        command
    } else {
        let Some(host) = lab.hosts()?.into_iter().find(|host| host.name() == exec.host) else {
            bail!("the lab {} has no host {}", exec.which.name, exec.host);
        };
        host.command(&exec.command.iter().map(String::as_str).collect::<Vec<_>>())?
    };
    let status = command.status().context("can't start the command")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
