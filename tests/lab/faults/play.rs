//! One case: a run is brought to some state and struck there, perhaps twice.

use super::fault::{self, Blow, NO_ROOM, Scene};
use super::pool::Pool;
use super::rest::{Past, judge};
use super::stricken::{Stricken, comes};
use snapback_testkit::faults::{Case, Rng, leave_old_record};
use snapback_testkit::lab::{HostKind, LabHost};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

/// Where a case strikes first, and what holds the change up there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    BeforeArming,
    Armed,
    Applying,
    Applied,
    Ready,
    Confirming,
    RollingBack,
    Boot,
}

const PLACES: [(At, &str, &[&str]); 8] = [
    (At::BeforeArming, "before arming", &["baseline"]),
    (At::Armed, "armed", &[]),
    (At::Applying, "applying", &["apply"]),
    (At::Applied, "applied", &["check"]),
    (At::Ready, "ready", &[]),
    (At::Confirming, "confirming", &[]),
    (At::RollingBack, "rolling_back", &["rollback"]),
    (At::Boot, "boot", &["check"]),
];

/// Plays a case on a host of its kind.
pub(crate) fn play(pool: &Pool, rng: &mut Rng, case: &mut Case) {
    let kind = if rng.bool() { HostKind::Systemd } else { HostKind::Plain };
    let host = pool.take(kind);
    play_on(pool, &host, rng, case);
    let on = Stricken::new(&host);
    if !case.violations().is_empty() {
        // The next case must not suffer for it.
        on.sh("rm -rf /var/lib/snapback/*");
        let _ = host.power_cut().and_then(|()| host.boot());
        on.sh("rm -rf /var/lib/snapback/*");
    }
    pool.give_back(host);
}

fn play_on(pool: &Pool, host: &LabHost, rng: &mut Rng, case: &mut Case) {
    let on = Stricken::new(host);
    on.prepare();
    let (at, word, hold) = PLACES[rng.usize(..PLACES.len())];
    if rng.u32(0..24) == 0 {
        return without_room(pool, &on, case);
    }
    if rng.u32(0..16) == 0 {
        let locked = rng.bool();
        leave_old_record(&on.state(), locked).unwrap();
        case.strike(word, "record: of an older version");
    }
    let relay = pool.stage.lab.relay_to(host);
    let address = format!("address = \"127.0.0.1\"\nport = {}\nknown_hosts = \"accept-new\"\n", relay.port());
    let more: &[&str] = if on.is_systemd() { &[] } else { &["--volatile-guard"] };
    let go = pool.stage.lab.home().join(format!("go-{}", host.name()));
    let _ = std::fs::remove_file(&go);
    let fleet = on.fleet("v2", hold, &address) + &waiting(&go, matches!(at, At::Ready | At::Confirming));
    let run = pool.stage.start(&fleet, more);
    let mut past = Past::new(format!("{kind}, {at:?}", kind = host.kind()), fleet.clone());
    reach(at, &on, &go, rng);
    let scene = Scene { on: &on, run: &run, relay: &relay };
    let brief = case.is_brief();
    let strike = |rng: &mut Rng| match at {
        At::Boot => {
            fault::power_cut(&on, rng);
            Blow { name: "target: power cut", ..Blow::default() }
        }
        _ => fault::strike(&scene, rng, brief),
    };
    for _ in 0..=u32::from(rng.u32(0..3) == 0) {
        let blow = strike(rng);
        case.strike(word, blow.name);
        past.note(&blow);
    }
    on.let_go();
    std::fs::write(&go, "").unwrap();
    judge(pool, &on, run, past, case);
}

/// A check on the controller that holds up the confirmation.
fn waiting(go: &std::path::Path, wait: bool) -> String {
    if !wait {
        return String::new();
    }
    format!(
        "[[checks]]\nname = \"go\"\nwhere = \"local\"\nrun = \"until test -e {}; do sleep 0.05; done\"\ntimeout = \"4s\"\nhealthy_deadline = \"4s\"\n",
        go.display()
    )
}

/// Waits until the change is there; what never gets there is struck where it is.
fn reach(at: At, on: &Stricken<'_>, go: &std::path::Path, rng: &mut Rng) {
    let long = Duration::from_secs(12);
    match at {
        At::BeforeArming => drop(comes(long, || on.is_held("baseline"))),
        At::Armed => drop(comes(long, || on.is_locked() && on.read_tx("armed").is_some())),
        At::Applying => drop(comes(long, || on.is_held("apply"))),
        At::Applied => drop(comes(long, || on.is_held("check"))),
        At::Boot => {
            let here = rng.bool();
            comes(long, || {
                if here { on.is_held("check") } else { on.is_locked() && on.read_tx("go").is_some() }
            });
        }
        At::Ready => drop(comes(long, || on.is_locked() && on.read_tx("ready").is_some())),
        At::Confirming => {
            comes(long, || on.is_locked() && on.read_tx("ready").is_some());
            std::fs::write(go, "").unwrap();
            sleep(Duration::from_millis(rng.u64(0..400)));
        }
        At::RollingBack => drop(comes(long, || on.is_held("rollback"))),
    }
}

/// A controller that can't write its record begins nothing.
fn without_room(pool: &Pool, on: &Stricken<'_>, case: &mut Case) {
    case.strike("before arming", "controller: disk full");
    let before = on.tx();
    let file = pool.stage.fleet(&on.fleet("v2", &[], ""));
    let mut command = pool.stage.lab.controller_command("sh");
    command.args([
        "-c",
        NO_ROOM,
        "no-room",
        env!("CARGO_BIN_EXE_deploy"),
        "--output",
        "json",
        "--yes",
        &file,
    ]);
    if !on.is_systemd() {
        command.arg("--volatile-guard");
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let good = output.status.code().is_some_and(|code| code != 0) && on.tx() == before && !on.is_locked();
    case.expect(good, || format!("a controller without room for its record went on: {output:?}"));
}
