//! A person decides: on the run's terminal, or from elsewhere.

use crate::stage::{MOTD, Stage, end_of, events, told};
use nix::sys::signal::Signal;
use snapback_testkit::program::{Program, Running};
use std::time::{Duration, Instant};

const QUESTION: &str = "Type yes to keep, no to undo now:";

/// A run on a terminal whose hosts are ready, and whose question has been put.
fn asked(stage: &Stage, window: u32) -> Running {
    stage.fleet_within(window, MOTD);
    let mut running = manual(stage).on_a_terminal().start();
    running.await_said(QUESTION);
    running
}

fn manual(stage: &Stage) -> Program {
    stage.change().args(["--confirm", "manual"])
}

/// The id of the newest run, by its record.
fn run_of(stage: &Stage) -> String {
    stage.record()[0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn yes_keeps_and_one_question_is_put_for_all() {
    let stage = Stage::of(&["a.test", "b.test"]);
    let mut running = asked(&stage, 40);
    assert!(
        running.said().contains("all checks have passed on 2 hosts: a.test, b.test"),
        "{}",
        running.said()
    );
    assert!(running.said().contains("the first guard undoes in "), "{}", running.said());
    assert!(stage.hosts.iter().all(|host| !host.journals().contains("\nconfirmed")), "before the answer");
    running.types("maybe\n");
    let began = Instant::now();
    while running.said().matches(QUESTION).count() < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "it isn't asked again: {}", running.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    running.types("yes\n");
    let ended = running.end().must_exit(0).must_say("2 confirmed");
    assert_eq!(ended.err.matches("all checks have passed on").count(), 1, "{ended}");
    assert!(stage.hosts.iter().all(|host| host.read("etc/motd") == "new\n"));
}

#[test]
fn no_undoes_at_once() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let mut running = asked(&stage, 60);
    let began = Instant::now();
    running.types("no\n");
    running.end().must_exit(1).must_say("1 rolled_back").must_say("a person said no");
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for its window: {:?}", began.elapsed());
    assert_eq!(stage.host().tree(), before);
}

#[test]
fn what_was_typed_before_the_question_answers_nothing_and_an_end_of_input_is_no_answer() {
    let stage = Stage::new();
    let before = stage.host().tree();
    stage.fleet_within(8, MOTD);
    let mut running = manual(&stage).on_a_terminal().start();
    running.types("yes\nyes\n");
    running.await_said(QUESTION);
    // The end of input, as a terminal has it.
    running.types("\u{4}");
    running.await_said("no answer is neither yes nor no");
    running.await_said(&format!("deploy confirm {}", run_of(&stage)));
    running.end().must_exit(1).must_say("1 rolled_back");
    assert_eq!(stage.host().tree(), before);
}

#[test]
fn without_a_terminal_it_is_extended_and_confirmed_from_another_machine_by_the_record() {
    let stage = Stage::new();
    stage.fleet_within(15, MOTD);
    let mut running = manual(&stage).args(["--output", "json"]).start();
    running.await_said("waits for a person");
    let run = run_of(&stage);
    running.await_said(&format!("keep    deploy confirm {run}"));
    let record = stage.dir().join(format!("state/snapback/runs/{run}.jsonl")).display().to_string();
    let elsewhere = stage.dir().join("elsewhere").display().to_string();
    let there = |words: &[&str]| stage.deploy(words).args(["--state-dir", &elsewhere]);
    there(&["confirm", &run]).run().must_exit(2).must_say("there is no record of run").must_say("--record");
    there(&["extend", &run, "--by", "5m", "--record", &record]).run().must_exit(0).must_say("extended by 5m");
    let status = there(&["status", &run, "--record", &record]).run().must_exit(0);
    status.must_say("ready").must_say("5m");
    running.await_said("\"event\":\"extended\"");
    let text = std::fs::read_to_string(&record).unwrap();
    there(&["confirm", &run])
        .env("DEPLOY_RECORD", text)
        .run()
        .must_exit(0)
        .must_say("confirmed; the change stays");
    let ended = running.end().must_exit(0);
    let told = told(&ended);
    assert_eq!(end_of(&told, "web.test")["result"], "confirmed");
    assert_eq!(events(&told, "awaiting_person").len(), 1);
    there(&["extend", &run, "--by", "5m", "--record", &record])
        .run()
        .must_exit(1)
        .must_say("the host is confirmed");
}

/// The command on the line that says how a waiting host is kept.
fn told_to_keep(running: &mut Running) -> String {
    running.await_said("  On another machine: ");
    let said = running.said();
    let line = said.lines().find_map(|line| line.strip_prefix("  keep    ")).unwrap();
    line.to_owned()
}

#[test]
fn red_checks_wait_for_a_person_who_names_each_and_that_is_told_and_recorded() {
    let stage = Stage::new();
    let check = |name: &str, place: &str| {
        format!(
            "[[checks]]\nname = \"{name}\"\nwhere = \"{place}\"\nrun = 'echo it is down; exit 3'\n\
             interval = \"200ms\"\nhealthy_deadline = \"300ms\"\n"
        )
    };
    stage.fleet_within(40, &format!("{MOTD}{}{}", check("moon", "remote"), check("the sun", "local")));
    let mut running = manual(&stage).args(["--output", "json"]).start();
    let keep = told_to_keep(&mut running);
    let run = run_of(&stage);
    assert_eq!(keep, format!("deploy confirm {run} --limit web.test --despite moon --despite 'the sun'"));
    let confirm = |despite: &[&str]| {
        let named = despite.iter().flat_map(|name| ["--despite", name]);
        stage.deploy(&["confirm", &run]).args(named).run()
    };
    let status = stage.deploy(&["status", &run]).run().must_exit(0).must_say("ready");
    status.must_say("check 'moon' failed: exit status 3: it is down; it vetoes");
    let plain = confirm(&[]).must_exit(1).must_say("no: required checks are red: moon");
    plain.must_say("the sun (failed: it is down)");
    confirm(&["moon"]).must_exit(1).must_say("red: the sun").must_not_say("moon (");
    confirm(&["moon", "the sun", "mars"])
        .must_exit(1)
        .must_say("'mars' is no required check that is red here");
    assert!(!stage.host().journals().contains("\nconfirmed"));
    stage.typed(&keep).run().must_exit(0).must_say("confirmed despite moon, the sun; the change stays");
    confirm(&["moon"]).must_exit(0);
    let ended = running.end().must_exit(0);
    let told = told(&ended);
    let end = end_of(&told, "web.test");
    let state = "the change is in place and confirmed despite moon: failed: exit status 3: it is down; the sun: failed: it is down";
    assert_eq!((&end["result"], &end["state"]), (&"confirmed".into(), &state.into()));
    assert_eq!(events(&told, "awaiting_person")[0]["red"][0], "moon");
    let texts: Vec<_> = events(&told, "warning").iter().map(|w| w["text"].to_string()).collect();
    assert!(texts.iter().any(|text| text.contains("confirmed despite the sun")), "{texts:?}");
    stage.deploy(&["logs", "web.test"]).run().must_exit(0).must_say("confirmed despite moon");
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}

#[test]
fn a_run_is_rolled_back_by_its_id_and_nothing_else_is() {
    let stage = Stage::new();
    let mut running = asked(&stage, 60);
    let run = run_of(&stage);
    stage
        .deploy(&["rollback", &run, "--limit", "nobody.test"])
        .run()
        .must_exit(2)
        .must_say("is no host of run");
    stage.deploy(&["rollback", &run]).run().must_exit(0).must_say("rolled back");
    running.await_said("there is nothing left to say yes to");
    running.end().must_exit(1).must_say("rolled back by hand");
}

#[test]
fn a_controller_that_slept_past_the_deadline_reports_what_the_target_says() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let mut running = asked(&stage, 4);
    running.signal(Signal::SIGSTOP);
    stage.host().await_over();
    assert_eq!(stage.host().tree(), before);
    running.types("yes\n");
    running.signal(Signal::SIGCONT);
    running.end().must_exit(1).must_say("1 rolled_back").must_not_say("1 confirmed");
}
