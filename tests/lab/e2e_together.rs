//! Batches that are confirmed as one: all of a batch or none, also when the controller is killed meanwhile.

use crate::e2e_stage::{Said, Stage, wait_for};
use snapback_testkit::lab::{HostKind, LabHost};
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// What is changed: a file in place of another, one that is new, one that a script writes and only that undoes.
const CHANGES: &str = "[confirm]\nscope = \"batch\"\nsettle = \"0s\"\ntimeout = \"60s\"\napply_timeout = \"20s\"\n\
    [[changes]]\nkind = \"files\"\n\
    [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/conf\"\nmode = \"0600\"\n\
    [[changes.files]]\ncontent = \"after\\n\"\ndest = \"/etc/shop/new/conf\"\n\
    [[changes]]\nkind = \"script\"\napply = \"echo after >>/etc/shop/log\"\nrollback = \"true\"\nwatch = [\"/etc/shop/log\"]\n\
    unless = \"grep -q after /etc/shop/log\"\n";

fn prepare(host: &LabHost) {
    host.exec_sh("mkdir -p /etc/shop && echo before >/etc/shop/conf && echo before >/etc/shop/log && chmod 0644 /etc/shop/*")
        .unwrap();
}

fn is_new(host: &LabHost) -> bool {
    let new = "grep -q after /etc/shop/conf && test -e /etc/shop/new/conf && grep -q after /etc/shop/log";
    host.exec(&["sh", "-c", new]).unwrap().success()
}

fn is_old(host: &LabHost) -> bool {
    let old = "test \"$(cat /etc/shop/conf /etc/shop/log)\" = \"$(printf 'before\\nbefore')\" && test ! -e /etc/shop/new";
    host.exec(&["sh", "-c", old]).unwrap().success()
}

/// No transaction is open, and nobody is at work on one.
const QUIET: &str = "test ! -e /var/lib/snapback/current && ! pgrep -f 'snapback/(tx|agent)' >/dev/null";

#[test]
fn of_ten_hosts_one_fails_and_all_ten_are_as_they_were() {
    let stage = Stage::new("together");
    let names: Vec<String> = (1..=10).map(|number| format!("app{number:02}")).collect();
    let names: [&str; 10] = std::array::from_fn(|n| names[n].as_str());
    let hosts = stage.boot(HostKind::Plain, names);
    hosts.iter().for_each(prepare);
    hosts[6].exec_sh(": >/etc/fragile").unwrap();
    let digest = |host: &LabHost| host.tree_digest(&["/etc", "/usr/local", "/root"]).unwrap();
    let before: Vec<_> = hosts.iter().map(digest).collect();
    // It fails when all others have long passed and wait.
    let fleet = format!(
        "name = \"shop\"\n[hosts.\"app[01-10]\"]\n{CHANGES}\
         [[checks]]\nname = \"whole\"\nrun = \"test ! -e /etc/fragile || {{ sleep 2; exit 1; }}\"\nhealthy_deadline = \"3s\"\n\
         interval = \"1s\"\n"
    );
    let said = stage.start(&fleet, &["--volatile-guard"]).end();
    assert_eq!(said.code, Some(1), "{said:#?}");
    println!("ten hosts, one failing: {} ms", said.took.as_millis());
    assert!(!said.events("app01", "awaiting_batch").is_empty(), "the others had passed: {said:#?}");
    for (host, before) in hosts.iter().zip(&before) {
        let ending = said.ending(host.name());
        assert_eq!(ending.result, "rolled_back", "{}: {ending:?}", host.name());
        assert!(ending.cause.contains("whole"), "{}: {ending:?}", host.name());
        let named = ending.cause.starts_with("app07, of the same batch, failed:");
        assert_eq!(named, host.name() != "app07", "{ending:?}");
        wait_for(host, 10, QUIET);
        let (is, was) = (digest(host).without_directory_times(), before.clone().without_directory_times());
        let differences = was.differences(&is);
        assert!(differences.is_empty(), "{}: {differences:#?}", host.name());
        assert!(is_old(host), "{}", host.name());
    }
}

/// Two hosts whose run is killed once its record holds a text; their handshakes come one after another.
struct Group<'s> {
    stage: &'s Stage,
    hosts: &'s [LabHost],
    fleet: String,
    state: PathBuf,
}

impl<'s> Group<'s> {
    fn killed(stage: &'s Stage, hosts: &'s [LabHost], until: &str) -> Self {
        hosts.iter().for_each(prepare);
        let list: String =
            hosts.iter().map(|host| format!("[hosts.{}]\nconnect_timeout = \"4s\"\n", host.name())).collect();
        // The second needs longer, so that the first waits for it.
        let slow = format!(
            "[[checks]]\nname = \"slow\"\non = \"{}\"\nrun = \"sleep 1\"\nhealthy_deadline = \"9s\"\n",
            hosts[1].name()
        );
        let fleet = format!("name = \"shop\"\n{list}{CHANGES}{slow}[rollout]\nconnect_parallel = 1\n");
        let state = stage.lab.home().join(format!("state-{}", hosts[0].name()));
        let folder = state.to_string_lossy().into_owned();
        let mut run = stage.start(&fleet, &["--volatile-guard", "--state-dir", &folder]);
        let end = Instant::now() + Duration::from_secs(60);
        while !record(&state).contains(until) {
            if run.child.try_wait().unwrap().is_some() {
                panic!("it ended before {until}: {:#?}", run.end());
            }
            assert!(Instant::now() < end, "never {until}: {}", record(&state));
            sleep(Duration::from_millis(2));
        }
        run.child.kill().unwrap();
        run.child.wait().unwrap();
        Self { stage, hosts, fleet: stage.fleet(&fleet), state }
    }

    fn resume(&self) -> Said {
        let folder = self.state.to_string_lossy();
        let verb = ["--state-dir", &folder, "resume", "--yes", "--volatile-guard", &self.fleet];
        self.stage.says(&verb)
    }

    fn await_quiet(&self, seconds: u64) {
        self.hosts.iter().for_each(|host| drop(wait_for(host, seconds, QUIET)));
    }
}

fn record(state: &Path) -> String {
    let runs = std::fs::read_dir(state.join("runs")).into_iter().flatten().flatten();
    let text = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path()).unwrap_or_default();
    runs.filter(|entry| entry.path().extension().is_some_and(|e| e == "jsonl")).map(text).collect()
}

const POINTS: [&str; 4] =
    ["awaiting_batch", "\"extended\"", "\"entry\":\"promise\"", "\"result\":\"confirmed\""];

#[test]
fn a_controller_killed_at_a_point_of_the_commit_is_gone_on_with_and_every_host_is_new_and_decided() {
    let stage = Stage::new("resumed");
    let hosts = stage.boot(HostKind::Plain, ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]);
    thread::scope(|scope| {
        for (until, hosts) in POINTS.iter().zip(hosts.chunks(2)) {
            let stage = &stage;
            scope.spawn(move || {
                let group = Group::killed(stage, hosts, until);
                let said = group.resume();
                assert_eq!(said.code, Some(0), "{until}: {said:#?}");
                group.await_quiet(10);
                assert!(hosts.iter().all(is_new), "{until}: {said:#?}");
                println!("killed at {until}: {}", said.err.lines().take(2).collect::<Vec<_>>().join("; "));
            });
        }
    });
}

#[test]
fn a_controller_killed_at_a_point_of_the_commit_and_left_alone_leaves_no_host_undecided_past_its_deadline() {
    let stage = Stage::new("left");
    let hosts = stage.boot(HostKind::Plain, ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]);
    thread::scope(|scope| {
        for (until, hosts) in POINTS.iter().zip(hosts.chunks(2)) {
            let stage = &stage;
            scope.spawn(move || {
                let group = Group::killed(stage, hosts, until);
                group.await_quiet(120);
                let new = hosts.iter().filter(|host| is_new(host)).count();
                assert_eq!(hosts.iter().filter(|host| is_old(host)).count(), hosts.len() - new, "{until}");
                println!("killed at {until}: {new} of {} are new", hosts.len());
                if !record(&group.state).contains("\"entry\":\"promise\"") {
                    assert_eq!(new, 0, "{until}: none was confirmed before the promise");
                }
            });
        }
    });
}
