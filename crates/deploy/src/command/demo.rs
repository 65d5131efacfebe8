//! `deploy demo`: a private fleet is changed, locks its controller out, and comes back.

use super::apply::print_plan;
use crate::args::{DemoArgs, GlobalArgs, Output, SelectArgs};
use crate::demo::{ACT_ONE, ACT_TWO, Audience, DemoHost, Memory, Playground, Promises};
use crate::exit::Usage;
use crate::faces::{complain, print};
use crate::wiring;
use anyhow::{Context, Result};
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_engine::record::Records;
use snapback_engine::{Run, RunParts, events};
use snapback_render::Verbosity;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the command. Exit 0 only if all that was seen was as promised.
pub(crate) async fn run(mut global: GlobalArgs, args: DemoArgs) -> Result<u8> {
    if global.output == Output::Json {
        return Err(Usage("the demo is for people: run it without --output json".to_owned()).into());
    }
    let mut stopped = Stopped::watch()?;
    let playground = Playground::open(args.keep)?;
    global.state_dir = Some(playground.dir.join("controller"));
    let mut promises = Promises::default();
    let played = tokio::select! {
        played = play(&global, &playground, &mut promises) => Some(played),
        () = stopped.heard() => None,
    };
    let dir = playground.dir.clone();
    drop(playground);
    match played {
        None => {
            complain("interrupted: the demo's hosts are ended");
            return Ok(ExitCode::Interrupted as u8);
        }
        Some(played) => played.with_context(|| "the demo could not be played to its end")?,
    }
    Ok(curtain(&dir, args.keep, promises) as u8)
}

async fn play(global: &GlobalArgs, playground: &Playground, promises: &mut Promises) -> Result<()> {
    introduce(playground);
    first_act(global, playground, promises).await?;
    if promises.are_broken() {
        return Ok(());
    }
    let before = Looks::of(playground)?;
    second_act(global, playground, promises).await?;
    if promises.are_broken() {
        return Ok(());
    }
    proof(playground, &before, promises).await
}

fn introduce(playground: &Playground) {
    let [app1, app2, app3] = &playground.hosts;
    print(&format!(
        "Three hosts for you: app1, app2 and app3.example.org are sshd on 127.0.0.1, ports {}, {} and {}.\n\
         All they have is in {}; nothing else of this machine is touched.",
        app1.port,
        app2.port,
        app3.port,
        playground.dir.display()
    ));
    for note in &playground.notes {
        print(note);
    }
}

async fn first_act(global: &GlobalArgs, playground: &Playground, promises: &mut Promises) -> Result<()> {
    print(
        "\n== 1. A change that is good\n\n\
         fleet.example.toml is deployed as it ships: a greeting, the key that may log in, and the settings of sshd,\n\
         which is reloaded. Another file adds only how these hosts are reached.",
    );
    let seen = perform(global, &playground.dir.join(ACT_ONE)).await?;
    for host in &playground.hosts {
        promises.ended(&host.name, HostResult::Confirmed, seen.result(&host.name));
    }
    if promises.are_broken() {
        return Ok(());
    }
    print(
        "\nEach host armed a guard before anything was changed. It kept the change because a new ssh connection,\n\
         opened after sshd was reloaded, came in and said so.",
    );
    for host in &playground.hosts {
        let greeting = playground.log_in(host, &cat(&host.root().join("etc/motd"))).await?;
        let greeted = greeting.contains("is looked after by deploy");
        promises.holds(&format!("{} has its new /etc/motd", host.name), greeted);
    }
    Ok(())
}

async fn second_act(global: &GlobalArgs, playground: &Playground, promises: &mut Promises) -> Result<()> {
    let [app1, app2, app3] = &playground.hosts;
    print(&format!(
        "\n== 2. A change that locks you out\n\n\
         The same fleet file with two slips in it:\n\
         - app2 gets a key that is not yours. Once it is in place, nobody here can log in.\n\
         - app3 moves its sshd to port {}, and the controller still looks at port {}.\n\
         Each slip passes every check: the files are valid, sshd is up and answers. `timeout` is 6 s instead of 60 s,\n\
         so that you need not wait.",
        playground.wrong_port, app3.port
    ));
    let seen = perform(global, &playground.dir.join(ACT_TWO)).await?;
    promises.ended(&app1.name, HostResult::Unchanged, seen.result(&app1.name));
    for host in [app2, app3] {
        promises.ended(&host.name, HostResult::RolledBack, seen.result(&host.name));
        promises.holds(&format!("{} was locked", host.name), seen.was_locked_out(&host.name));
    }
    if promises.are_broken() {
        return Ok(());
    }
    print(&format!(
        "\nNobody could tell app2 and app3 to undo it: there was no way in. Their guards did it, after 6 s without a\n\
         confirmation, and the controller heard of it when it got in again ({} s and {} s after the change).",
        tenths(seen.changed_for(&app2.name)),
        tenths(seen.changed_for(&app3.name)),
    ));
    Ok(())
}

/// Logs in by hand and shows that the old files are there.
async fn proof(playground: &Playground, before: &Looks, promises: &mut Promises) -> Result<()> {
    let [_, app2, app3] = &playground.hosts;
    let keys = app2.keys_file(&playground.visitor.user);
    let shown = |path: &Path, host: &DemoHost| {
        let inside = path.strip_prefix(host.root()).unwrap_or(path);
        format!("$ ssh {} cat /{}", host.name, inside.display())
    };
    print(
        "\n== 3. See for yourself\n\nA plain ssh gets in again, and what it reads there is the old file:\n",
    );
    let found = playground.log_in(app2, &cat(&keys)).await?;
    print(&format!("{}\n{}", shown(&keys, app2), found));
    promises.same("the keys of app2", &before.keys, &found);
    let found = playground.log_in(app3, &cat(&app3.port_file())).await?;
    print(&format!("\n{}\n{}", shown(&app3.port_file(), app3), found));
    promises.same("the sshd settings of app3", &before.settings, &found);
    print(
        "\nHere the guard is volatile: a process of yours, with its record in a folder that goes away, and no boot hook.\n\
         A real host keeps the record in /var/lib/snapback, and under systemd its guard is a unit, and a boot hook\n\
         undoes what was unconfirmed when the host went down.",
    );
    Ok(())
}

/// Says how it went, once everything has been put away.
fn curtain(dir: &Path, keep: bool, mut promises: Promises) -> ExitCode {
    promises.holds("the demo's folder is gone", keep || !dir.exists());
    if keep {
        print(&format!("\nThe three sshd have ended. Their folder stays, as you asked: {}", dir.display()));
    } else {
        print("\nThe three sshd have ended, and their folder is gone.");
    }
    if !promises.are_broken() {
        print("All of it went as promised.");
        return ExitCode::Good;
    }
    complain("\nIt did not go as promised:");
    for broken in promises.broken() {
        complain(&format!("- {broken}"));
    }
    ExitCode::Failed
}

/// Plans and applies a fleet file with the engine that `deploy FLEET --yes --volatile-guard` uses.
async fn perform(global: &GlobalArgs, path: &Path) -> Result<Memory> {
    print(&format!("\n$ deploy {} --yes --volatile-guard", path.display()));
    let fleet = wiring::load_fleet(path, &SelectArgs { limit: None, vars: Vec::new() })?;
    let spec = wiring::run_spec(&fleet, "deploy demo", true);
    let (sender, receiver) = events(&spec.run);
    let run = Run::new(RunParts {
        password: None,
        jobs: fleet.jobs.clone(),
        course: fleet.course.clone(),
        vars: Vec::new(),
        continues: None,
        contents: fleet.contents.clone(),
        dir: fleet.dir.clone(),
        connector: wiring::connector(global)?,
        events: sender,
        records: Records::in_state_dir(&wiring::state_dir(global)?),
        texts: true,
        person: None,
        locking: Default::default(),
        spec,
    });
    let mut audience = Audience::new(receiver, Verbosity::from_count(global.verbose));
    let planned = audience.attend(run.plan()).await;
    print_plan(global, &fleet, &planned);
    audience.attend(planned.apply()).await.context("the run's record could not be written")?;
    Ok(audience.leave())
}

/// What the second act will change, as it was.
struct Looks {
    keys: String,
    settings: String,
}

impl Looks {
    /// Reads the files themselves: what ssh shows later is compared with it.
    fn of(playground: &Playground) -> Result<Self> {
        let [_, app2, app3] = &playground.hosts;
        let keys = std::fs::read_to_string(app2.keys_file(&playground.visitor.user))?;
        Ok(Self { keys, settings: std::fs::read_to_string(app3.port_file())? })
    }
}

/// The signals that end the demo early.
struct Stopped([tokio::signal::unix::Signal; 3]);

impl Stopped {
    fn watch() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals can't be watched");
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn heard(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn cat(path: &Path) -> String {
    format!("cat {}", path.display())
}

/// Seconds with one decimal.
fn tenths(ms: Option<u64>) -> String {
    ms.map_or_else(|| "?".to_owned(), |ms| format!("{}.{}", ms / 1000, ms % 1000 / 100))
}
