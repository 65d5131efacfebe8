//! Daemons that a change starts: they outlive a confirmation, and a rollback takes them along.

use crate::e2e_stage::{LIMITS, Stage, wait_for};

const DAEMON: &str = "#!/bin/sh\nsetsid sh -c 'echo $$ >/run/daemon.pid; while :; do sleep 0.2; done' </dev/null >/dev/null 2>&1 &\n\
                      until test -s /run/daemon.pid; do sleep 0.05; done\n";

#[test]
fn a_daemon_lives_on_after_a_confirmation_and_ends_with_a_rollback() {
    let stage = Stage::new("daemon");
    let [kept, undone] = stage.systemd(["kept", "undone"]);
    stage.file("daemon.sh", DAEMON);
    let fleet = format!(
        "[hosts.kept]\n[hosts.undone]\n{LIMITS}\n[[changes]]\nkind = \"script\"\napply = {{ file = \"daemon.sh\" }}\n\
         rollback = \"true\"\n[[checks]]\nname = \"never\"\non = \"undone\"\nwhere = \"remote\"\nrun = \"test -s /run/daemon.pid && false\"\n\
         interval = \"200ms\"\nhealthy_deadline = \"1s\"\n"
    );
    let said = stage.run(&fleet);
    said.expect("kept", "confirmed", 1);
    said.expect("undone", "rolled_back", 1);
    std::thread::sleep(std::time::Duration::from_secs(1));
    kept.exec_sh("kill -0 $(cat /run/daemon.pid)").unwrap();
    undone.exec_sh("! kill -0 $(cat /run/daemon.pid) 2>/dev/null").unwrap();
    // The unit that applied stays loaded for as long as the daemon lives in it, and no longer.
    kept.exec_sh("kill -KILL $(cat /run/daemon.pid)").unwrap();
    for host in [&kept, &undone] {
        wait_for(
            host,
            5,
            "! systemctl list-units --all --plain --no-legend 'snapback-*' | grep -v snapback-boot",
        );
    }
}
