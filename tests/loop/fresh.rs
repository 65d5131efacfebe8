//! Only a fresh connection confirms: with the right token in hand, every older line is refused.

use crate::stage::{HOLD, MOTD, Stage, await_that};
use snapback_agent::call::{Sent, command_line};
use snapback_core::way::Become;
use snapback_testkit::program::{Ended, Running};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// A run that is ready to be confirmed and waits for the test.
fn held(stage: &Stage) -> Running {
    stage.fleet_within(25, &format!("{MOTD}{}", HOLD.replace("\"3s\"", "\"24s\"")));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"ready\"");
    running
}

/// Confirms by hand, over the line that these arguments of ssh choose.
fn confirm_by_hand(stage: &Stage, line: &[&str]) -> Ended {
    let record = &stage.record()[0];
    let word = |key: &str| record[key].as_str().unwrap().to_owned();
    let (run, digest) = (word("run"), word("plan_digest"));
    let verb = command_line(Become::None, "handmade", Sent::Plain, &["confirm", &run, &digest]);
    let token = stage.write("token", word("token") + "\n");
    let token = Stdio::from(std::fs::File::open(token).unwrap());
    stage.ssh(line).args(["web.test", &verb]).stdin(token).run()
}

fn is_stale(ended: Ended) {
    let ended = ended.must_say("denied reason=stale_connection");
    assert!(!ended.out.contains(" confirmed"), "{ended}");
}

/// Lets the controller go on, and asserts that it confirms by a line of its own.
fn is_confirmed_by_a_fresh_one(stage: &Stage, running: Running) {
    stage.let_go();
    running.end().must_exit(0).must_say("\"result\":\"confirmed\"");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}

#[test]
fn by_hand_over_a_fresh_connection_it_is_confirmed() {
    let stage = Stage::new();
    let running = held(&stage);
    confirm_by_hand(&stage, &[]).must_say("@snapback:handmade confirmed already=0");
    is_confirmed_by_a_fresh_one(&stage, running);
}

#[test]
fn a_master_opened_before_the_run_is_refused_and_the_run_confirms_all_the_same() {
    let stage = Stage::new();
    let socket = stage.dir().join("run/old").display().to_string();
    let _master = stage.ssh(&["-M", "-N", "-S", &socket, "web.test"]).start();
    await_that("the master is there", Duration::from_secs(20), || std::path::Path::new(&socket).exists());
    let running = held(&stage);
    let accepted = stage.accepted();
    is_stale(confirm_by_hand(&stage, &["-S", &socket]));
    assert_eq!(stage.accepted(), accepted, "it went over the old line");
    is_confirmed_by_a_fresh_one(&stage, running);
}

#[test]
fn a_host_that_only_old_lines_reach_is_rolled_back() {
    let stage = Stage::new();
    let socket = stage.dir().join("run/old").display().to_string();
    let _master = stage.ssh(&["-M", "-N", "-S", &socket, "web.test"]).start();
    await_that("the master is there", Duration::from_secs(20), || std::path::Path::new(&socket).exists());
    let before = stage.host().tree();
    stage.fleet_within(6, &format!("{MOTD}{}", HOLD.replace("\"3s\"", "\"5s\"")));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"ready\"");
    // The controller is gone, and what is left of it is the token and a line from before.
    running.signal(nix::sys::signal::Signal::SIGKILL);
    is_stale(confirm_by_hand(&stage, &["-S", &socket]));
    stage.host().await_over();
    assert_eq!(stage.host().tree(), before);
    confirm_by_hand(&stage, &[]).must_say("denied reason=too_late");
}

#[test]
fn a_user_whose_ssh_shares_connections_deploys_over_lines_of_its_own() {
    let stage = Stage::new();
    let shared = stage.dir().join("run/user-%C").display().to_string();
    stage.write_ssh_config(&format!(
        "Host *\n  ControlMaster auto\n  ControlPath {shared}\n  ControlPersist 60"
    ));
    let first = stage.ssh(&["web.test", "true"]).start();
    await_that("the user's master is there", Duration::from_secs(20), || stage.accepted() == 1);
    thread::sleep(Duration::from_millis(500));
    let running = held(&stage);
    assert_eq!(stage.accepted(), 2, "the run opened a connection of its own");
    is_stale(confirm_by_hand(&stage, &[]));
    assert_eq!(stage.accepted(), 2, "that was a channel of the user's master");
    is_confirmed_by_a_fresh_one(&stage, running);
    assert_eq!(stage.accepted(), 3, "and another one to confirm");
    drop(first);
    stage.ssh(&["-O", "exit", "web.test"]).run().must_exit(0);
}

#[test]
fn a_tcp_connection_opened_before_and_authenticated_after_is_refused() {
    let stage = Stage::new();
    let early = TcpStream::connect(stage.host().sshd.address()).unwrap();
    let running = held(&stage);
    let port = lead_to(early).to_string();
    is_stale(confirm_by_hand(
        &stage,
        &["-p", &port, "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"],
    ));
    is_confirmed_by_a_fresh_one(&stage, running);
}

/// Returns a port whose first connection goes on over one that is open already.
fn lead_to(upstream: TcpStream) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        let _ = io::copy(&mut &upstream, &mut &client);
    });
    port
}

#[test]
fn a_wrong_token_and_another_plan_are_refused() {
    let stage = Stage::new();
    let running = held(&stage);
    let run = stage.record()[0]["run"].as_str().unwrap().to_owned();
    let digest = stage.record()[0]["plan_digest"].as_str().unwrap().to_owned();
    let token = stage.record()[0]["token"].as_str().unwrap().to_owned();
    let confirm = |digest: &str, token: &str| {
        let verb = command_line(Become::None, "handmade", Sent::Plain, &["confirm", &run, digest]);
        let file = stage.write("token", format!("{token}\n"));
        stage.ssh(&["web.test", &verb]).stdin(std::fs::File::open(file).unwrap().into()).run()
    };
    confirm(&digest, &"0".repeat(64)).must_say("denied reason=bad_token");
    confirm(&digest, "").must_say("denied reason=bad_token");
    confirm(&"0".repeat(64), &token).must_say("denied reason=wrong_digest");
    is_confirmed_by_a_fresh_one(&stage, running);
}
