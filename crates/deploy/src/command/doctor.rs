//! `deploy doctor`: per host, what would keep it from being deployed to, each with a mend that can be pasted.

use crate::args::{FleetArgs, GlobalArgs, Output};
use crate::faces::{colour_out, print};
use crate::wiring;
use futures::stream::{self, StreamExt};
use snapback_core::host::HostName;
use snapback_core::inspection::GuardFacts;
use snapback_core::outcome::ExitCode;
use snapback_core::way::WayKind;
use snapback_engine::ask::Findings;
use snapback_render::doctor::{DoctorRow, Health, Marks, doctor_json, render_doctor, worst};

/// Less than this many bytes free is worth a word: snapshots go there.
const LITTLE_SPACE: u64 = 64 << 20;

/// Runs the command. Exit 1 when something is broken.
pub(crate) async fn run(global: GlobalArgs, args: FleetArgs) -> anyhow::Result<u8> {
    let fleet = wiring::load_fleet(&args.fleet, &args.select)?;
    let asker = wiring::asker(&global)?;
    let spec = wiring::run_spec(&fleet, "", false);
    let rows: Vec<DoctorRow> = stream::iter(&fleet.jobs)
        .map(|job| async { rows(&job.host, &asker.examine(&spec, job, &fleet.contents).await) })
        .buffered(fleet.parallel.max(1))
        .collect::<Vec<_>>()
        .await
        .concat();
    match global.output {
        Output::Human => print(&render_doctor(&rows, marks(), global.verbose > 0, colour_out())),
        Output::Json => print(&doctor_json(&rows)?),
    }
    let code = if worst(&rows) == Health::Bad { ExitCode::Failed } else { ExitCode::Good };
    Ok(code as u8)
}

fn marks() -> Marks {
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .is_some_and(|v| v.to_lowercase().replace('-', "").contains("utf8"));
    if utf8 { Marks::Unicode } else { Marks::Ascii }
}

fn rows(host: &HostName, findings: &Findings) -> Vec<DoctorRow> {
    let mut rows = Vec::new();
    let mut add = |item: &str, ok: Health, found: String, mend: String| {
        rows.push(DoctorRow { host: host.to_string(), item: item.to_owned(), ok, found, mend });
    };
    for (kind, way) in &findings.ways {
        let item = if *kind == WayKind::Final { "ssh" } else { "ssh (was)" };
        match way {
            Ok(()) => add(item, Health::Good, "connects".to_owned(), String::new()),
            // The old way is allowed to be gone; then it may leave the fleet file.
            Err(e) if *kind == WayKind::Was => {
                add(item, Health::Warn, e.cause.clone(), "remove `was` from the fleet file".to_owned());
            }
            Err(e) => add(item, Health::Bad, e.cause.clone(), e.hint.clone()),
        }
    }
    if let Some(trouble) = &findings.trouble {
        add("agent", Health::Bad, trouble.cause.clone(), trouble.hint.clone());
    }
    if let Some(inspection) = &findings.inspection {
        let how = way_to_root(&findings.root, inspection.guard.uid);
        let health = if inspection.guard.uid == 0 { Health::Good } else { Health::Warn };
        add("become", health, how, String::new());
        guard_rows(&inspection.guard, &mut add);
        if let Some(pending) = &inspection.pending {
            let found = format!("run {} of {} is {}", pending.tx, pending.owner, pending.state);
            add("lock", Health::Warn, found, format!("deploy status --limit {host}"));
        }
    }
    for (item, ok, text) in &findings.items {
        let health = if *ok { Health::Good } else { Health::Bad };
        add(item, health, text.clone(), mend(item, *ok));
    }
    rows
}

fn guard_rows(guard: &GuardFacts, add: &mut impl FnMut(&str, Health, String, String)) {
    add("shell", Health::Good, guard.shell.clone(), String::new());
    add("guard", Health::Good, guard.backend.clone(), String::new());
    let volatile = "deploy --volatile-guard FLEET goes on without it".to_owned();
    match guard.boot_hook.as_str() {
        "none" => add("boot hook", Health::Warn, "a reboot would not undo".to_owned(), volatile),
        hook => add("boot hook", Health::Good, hook.to_owned(), String::new()),
    }
    if guard.volatile_state {
        let found = format!("{} does not survive a reboot", guard.state_dir);
        add("state", Health::Bad, found, "mkdir -p /etc/snapback/state".to_owned());
    }
    let space = if guard.free_bytes < LITTLE_SPACE { Health::Warn } else { Health::Good };
    let found = format!("{} free in {}", snapback_render::bytes(guard.free_bytes), guard.state_dir);
    add("space", space, found, String::new());
    for limit in &guard.limits {
        add("limit", Health::Warn, limit.clone(), String::new());
    }
}

/// How root was reached, in words.
fn way_to_root(how: &str, uid: u32) -> String {
    match how {
        "root" => "uid 0 from the start".to_owned(),
        "sudo" => format!("uid {uid} by `sudo -n`"),
        "sudo_ask" => format!("uid {uid} by `sudo -S`"),
        "doas" => format!("uid {uid} by `doas -n`"),
        "run0" => format!("uid {uid} by `run0 --no-ask-password`"),
        _ => format!("uid {uid}: `become = \"none\"`"),
    }
}

fn mend(item: &str, ok: bool) -> String {
    if ok {
        return String::new();
    }
    match item {
        "tool" => {
            "install coreutils, findutils, awk, sed, grep and tar, or a busybox that has them".to_owned()
        }
        "state" => "put the state directory on a file system with hard links".to_owned(),
        _ => String::new(),
    }
}
