//! A change that replaces what the guard itself lives on is undone all the same, while the host runs.

use crate::e2e_stage::{LIMITS, Stage, assert_quiet};
use snapback_testkit::lab::{HostKind, LabHost};
use std::thread;

/// What each change breaks, by a rename as package managers do it, or by removing it. None of them says itself that it
/// failed, and a host without its tools isn't confirmed.
const CHANGES: [(&str, &str); 3] = [
    (
        "shell",
        "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"garbage\\n\"\ndest = \"/usr/bin/dash\"\nmode = \"0755\"\n",
    ),
    (
        "libc",
        "[[changes]]\nkind = \"files\"\n[[changes.files]]\ncontent = \"torn\\n\"\ndest = \"LIBC\"\nmode = \"0755\"\n",
    ),
    (
        "coreutils",
        "[[changes]]\nkind = \"script\"\nwatch = [\"/usr/bin/mv\", \"/usr/bin/cp\", \"/usr/bin/cat\", \"/usr/bin/ln\", \"/usr/bin/sync\", \"/usr/bin/stat\"]\n\
         apply = \"cd /usr/bin; rm mv cp cat ln sync stat\"\n",
    ),
];

/// Breaks a host in each way, one after another, and finds it as it was.
fn break_and_look(stage: &Stage, host: &LabHost) {
    let name = host.name();
    let libc = host.exec_sh("readlink -f /lib/*-linux-gnu/libc.so.6").unwrap();
    let head = format!("[hosts.{name}]\nconnect_timeout = \"2s\"\n{LIMITS}");
    let volatile = if host.exec_sh("test -d /run/systemd/system").is_ok() { "" } else { "--volatile-guard" };
    let more: Vec<&str> = [volatile].into_iter().filter(|f| !f.is_empty()).collect();
    // The boot hook and the copies come with the first run, and are no part of what is compared.
    let first = format!("{head}[[changes]]\nkind = \"script\"\napply = \"true\"\nrollback = \"true\"\n");
    stage.start(&first, &more).end().expect(name, "confirmed", 0);
    for (what, change) in CHANGES {
        let before = host.tree_digest(&["/usr/bin", "/usr/lib", "/etc"]).unwrap();
        let fleet = format!("{head}{}", change.replace("LIBC", libc.trim()));
        let said = stage.start(&fleet, &more).end();
        println!("{name} {what}: {} ms, {:?}", said.took.as_millis(), said.ending(name).cause);
        let ending = said.expect(name, "rolled_back", 1);
        if what == "coreutils" {
            assert!(ending.cause.contains("is gone from this host"), "{ending:#?}");
            assert!(ending.next.contains("bring another one in the same change"), "{ending:#?}");
        }
        let now = host.tree_digest(&["/usr/bin", "/usr/lib", "/etc"]).unwrap();
        assert_eq!(before.differences(&now), Vec::<String>::new(), "{name} {what}");
        assert_quiet(host);
    }
}

#[test]
fn a_change_that_breaks_the_shell_the_libc_or_the_tools_is_undone() {
    let stage = Stage::new("rescue");
    let [plain] = stage.boot(HostKind::Plain, ["plain"]);
    let [systemd] = stage.systemd(["systemd"]);
    thread::scope(|scope| {
        scope.spawn(|| break_and_look(&stage, &systemd));
        scope.spawn(|| break_and_look(&stage, &plain));
    });
}
