//! Moving hosts: the old way may arm, only the final one confirms, and only the host that was armed.

use crate::stage::{MOTD, Stage, end_of, events};
use snapback_testkit::sshd::free_port;
use std::fs;

/// Where the host is to be found in the end.
struct Move {
    stage: Stage,
    port: u16,
}

impl Move {
    /// A host at its old port; `moves` says whether the change opens the new one.
    fn new(moves: bool) -> Self {
        let stage = Stage::new();
        let (host, port) = (stage.host(), free_port());
        let key = fs::read_to_string(host.sshd.path("host_key.pub")).unwrap();
        let known = stage.dir().join("web.test/known_hosts");
        fs::write(&known, fs::read_to_string(&known).unwrap() + &format!("[127.0.0.1]:{port} {key}"))
            .unwrap();
        let config = host.sshd.path("sshd_config");
        let listen = format!("$(command -v sshd) -f {} -p {port} -E /dev/null", config.display());
        let script = format!(
            "[[changes]]\nname = \"port\"\nkind = \"script\"\napply = '{}'\nrollback = 'true'\n",
            if moves { &listen } else { "true" }
        );
        let ways = format!("port = {port}\nwas = {{ port = {} }}\n", host.relay.port());
        let head = stage.head().replace("[hosts.", &format!("{ways}[hosts."));
        let limits = "[confirm]\ntimeout = \"6s\"\napply_timeout = \"20s\"\nsettle = \"0s\"\n";
        stage.write("fleet.toml", format!("{head}{limits}{MOTD}{script}"));
        Self { stage, port }
    }
}

#[test]
fn a_move_to_the_final_way_is_confirmed_over_it_alone() {
    let moving = Move::new(true);
    let (stage, host) = (&moving.stage, moving.stage.host());
    let told = stage.change_told(0);
    assert_eq!(events(&told, "host_connected")[0]["way"], "was");
    assert_eq!(end_of(&told, "web.test")["result"], "confirmed");
    assert_eq!(host.relay.accepted(), 1, "the old way armed and did nothing else");
    host.await_over();
    // From now on the old way isn't needed any more.
    host.relay.cut();
    let told = stage.change_told(0);
    assert_eq!(events(&told, "host_connected")[0]["way"], "final", "port {}", moving.port);
}

#[test]
fn a_move_that_does_not_happen_is_rolled_back_and_read_back_by_the_old_way() {
    let moving = Move::new(false);
    let before = moving.stage.host().tree();
    let told = moving.stage.change_told(1);
    let end = end_of(&told, "web.test");
    assert_eq!(end["result"], "rolled_back");
    assert!(end["cause"].as_str().unwrap().contains(&moving.port.to_string()), "{end}");
    assert_eq!(moving.stage.host().tree(), before);
}

/// The listening sshd of the host gets other keys while the change is applied.
fn swap_keys(stage: &mut Stage) {
    stage.hosts[0].sshd.swap_host_key();
}

#[test]
fn another_host_key_than_the_arming_one_never_confirms() {
    let mut stage = Stage::new();
    let before = stage.host().tree();
    let keys: Vec<_> = ["host_key", "host_key.pub"].map(|name| stage.host().sshd.path(name)).into();
    let old: Vec<_> = keys.iter().map(|key| fs::read(key).unwrap()).collect();
    let wait = "[[changes]]\nkind = \"script\"\napply = 'touch \"$VAR_ROOT/begun\"; until test -e \"$VAR_ROOT/swapped\"; do sleep 0.1; done'\n\
                rollback = 'rm -f \"$VAR_ROOT/begun\" \"$VAR_ROOT/swapped\"'\n";
    stage.fleet(&format!("{MOTD}{wait}"));
    let mut running = stage.change().start();
    running.await_that("the change has begun", || stage.host().file("begun").exists());
    swap_keys(&mut stage);
    // Even a key that the user's own files know is not that of the host that was armed.
    stage.host().learn_key_too();
    stage.host().write("swapped", "");
    running.await_that("the guard has undone it", || !stage.host().is_open());
    let sshd = &mut stage.hosts[0].sshd;
    sshd.stop();
    for (key, old) in keys.iter().zip(&old) {
        fs::write(key, old).unwrap();
    }
    sshd.listen_again();
    let ended = running.end().must_exit(1).must_say("1 rolled_back").must_say("host key");
    assert_eq!(stage.host().tree(), before, "{ended}");
}
