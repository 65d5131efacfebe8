//! `[rollout]`: from what is written to the course of a run.

#![allow(clippy::unwrap_used, reason = "a test that can't go on shall stop")]

use snapback_core::rollout::{BatchKind, Budget, ConfirmScope, Course, RollbackScope, Unreachable};
use snapback_fleet::{Fleet, LoadRequest, load};
use std::time::Duration;

fn fleet(text: &str, limit: Option<&str>) -> Fleet {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fleet.toml");
    std::fs::write(&file, text).unwrap();
    let request = LoadRequest { limit: limit.map(str::to_owned), ..LoadRequest::default() };
    load(&file, &request).unwrap_or_else(|problems| panic!("{problems}"))
}

fn sizes(course: &Course) -> Vec<(bool, usize)> {
    course.batches.iter().map(|batch| (batch.kind == BatchKind::Canary, batch.hosts.len())).collect()
}

#[test]
fn without_a_rollout_all_hosts_are_one_batch_and_nothing_stops_it() {
    assert_eq!(fleet("[hosts.\"app[1-3]\"]", None).course, Course::in_one_batch(3));
    let parallel = fleet("[hosts.\"app[1-3]\"]\n[rollout]\nparallel = 2", None);
    assert_eq!(parallel.course, Course::in_one_batch(3));
}

#[test]
fn all_keys_come_to_a_course() {
    let text = "[hosts.\"app[01-30]\"]\n[rollout]\ncanary = 1\nserial = [5, \"50%\", \"100%\"]\nbake_time = \"2m\"\n\
                auto_promote = false\ngate_timeout = \"10m\"\nmax_failures = \"5%\"\nunreachable = \"skip\"\n\
                rollback_scope = \"host\"\nprogress_deadline = \"20m\"\n[[checks]]\nrun = \"true\"";
    let fleet = fleet(text, None);
    let course = fleet.course;
    assert_eq!(sizes(&course), [(true, 1), (false, 5), (false, 15), (false, 9)]);
    assert_eq!((course.staged, course.gate, course.budget), (true, true, Budget::AtMost(1)));
    assert_eq!((course.bake.as_secs(), course.gate_timeout.as_secs()), (120, 600));
    assert_eq!(
        (course.unreachable, course.progress_deadline),
        (Unreachable::Skip, Some(Duration::from_secs(1200)))
    );
    assert!(fleet.notes.iter().all(|note| !note.contains("bake")), "{:?}", fleet.notes);
}

#[test]
fn a_scope_beyond_the_host_has_failures_stop_the_run() {
    let of = |text: &str| fleet(&format!("[hosts.\"app[1-3]\"]\n[rollout]\n{text}"), None).course;
    let course = of("rollback_scope = \"run\"");
    assert_eq!((course.rollback_scope, course.staged), (RollbackScope::Run, true));
    assert_eq!(course.budget, Budget::AtMost(0));
    assert_eq!(of("rollback_scope = \"batch\"\nserial = [2]").rollback_scope, RollbackScope::Batch);
    assert_eq!(of("rollback_scope = \"host\""), Course::in_one_batch(3));
}

#[test]
fn a_selected_canary_goes_first_and_the_rest_in_file_order() {
    let text = "[hosts.\"app[1-5]\"]\n[hosts.app4]\ntags = [\"canary\"]\n[hosts.app2]\ntags = [\"canary\"]\n\
                [rollout]\ncanary = \"tag:canary\"\nserial = [2]";
    let batches: Vec<_> = fleet(text, None).course.batches.into_iter().map(|batch| batch.hosts).collect();
    assert_eq!(batches, [vec![1, 3], vec![0, 2], vec![4]]);
    let limited = fleet(text, Some("app3 || app4"));
    let batches: Vec<_> = limited.course.batches.into_iter().map(|batch| batch.hosts).collect();
    assert_eq!(batches, [vec![1], vec![0]], "positions are those of the run's own hosts");
    let without = fleet(text, Some("app1 || app3"));
    assert_eq!(sizes(&without.course), [(false, 2)]);
    assert!(without.notes.iter().any(|note| note.contains("--limit leaves all its hosts out")));
    assert!(without.course.staged);
}

#[test]
fn a_jump_host_is_never_in_one_batch_with_those_behind_it() {
    let text =
        "[hosts.bastion]\naddress = \"10.0.0.1\"\n[hosts.\"app[1-2]\"]\nproxy_jump = \"root@10.0.0.1\"";
    let batches: Vec<_> = fleet(text, None).course.batches.into_iter().map(|batch| batch.hosts).collect();
    assert_eq!(batches, [vec![0], vec![1, 2]]);
}

#[test]
fn what_does_nothing_is_noted() {
    let notes =
        fleet("[hosts.\"app[1-3]\"]\n[rollout]\ncanary = 1\nbake_time = \"1m\"\nmax_failures = 3", None)
            .notes;
    assert!(notes.iter().any(|note| note.starts_with("`bake_time` only waits")), "{notes:?}");
    assert!(notes.iter().any(|note| note == "`max_failures` (3) never stops a run on 3 hosts"), "{notes:?}");
}

#[test]
fn batches_that_are_confirmed_as_one_are_taken_where_they_fit_and_no_others() {
    let text =
        |hosts: u32, more: &str| format!("[hosts.\"app[1-{hosts}]\"]\n[confirm]\nscope = \"batch\"\n{more}");
    assert_eq!(fleet(&text(50, ""), None).course.confirm_scope, ConfirmScope::Batch);
    assert_eq!(fleet("[hosts.app1]", None).course.confirm_scope, ConfirmScope::Host);
    let told = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fleet.toml");
        std::fs::write(&file, text).unwrap();
        load(&file, &LoadRequest::default()).unwrap_err().to_string()
    };
    let many = told(&text(51, ""));
    assert!(many.contains("batch 1 has 51, and `parallel` is 50"), "{many}");
    // 5 minutes of apply, 9 of the window, 10 s to connect, 20 to extend, 60 to confirm.
    let window = |secs: u32| format!("timeout = \"{secs}s\"");
    assert_eq!(fleet(&text(2, &window(510)), None).jobs.len(), 2);
    let long = told(&text(2, &window(511)));
    assert!(long.contains("may wait armed for 15m 1s, and `hard_cap` is 15m"), "{long}");
    assert_eq!(fleet(&text(1, &window(600)), None).jobs.len(), 1, "one that is alone waits for nobody");
}
