use crate::fleet::Fleet;
use crate::page::assert_harmless;
use crate::recorded::{Recording, armed, check, host, hostile_events, undo_item};
use indicatif::{InMemoryTerm, ProgressDrawTarget};
use insta::assert_snapshot;
use snapback_core::event::{CheckStatus, Event, EventKind};
use snapback_core::rollout::BatchKind;
use snapback_render::{Progress, Screen, Subscriber, Verbosity};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A terminal on which time goes on with the events.
pub(crate) struct Theatre {
    pub(crate) terminal: InMemoryTerm,
    progress: Progress,
    now_ms: Arc<AtomicU64>,
    frame_ms: u64,
}

impl Theatre {
    /// Returns one that is drawn once in so many milliseconds.
    pub(crate) fn of(size: (u16, u16), frame_ms: u64) -> Self {
        let now_ms = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now_ms);
        let (terminal, progress) = screen(
            size,
            move || Duration::from_millis(clock.load(Ordering::Relaxed)),
            Duration::from_millis(frame_ms),
        );
        Self { terminal, progress, now_ms, frame_ms }
    }

    /// Plays events and returns what is seen then.
    pub(crate) fn play(&mut self, events: &[Event]) -> String {
        for (at, event) in events.iter().enumerate() {
            let late = if at + 1 == events.len() { self.frame_ms } else { 0 };
            self.now_ms.store(event.at_ms + late, Ordering::Relaxed);
            self.progress.on_event(event).unwrap();
        }
        self.terminal.contents()
    }
}

/// A terminal whose time stands still, so that a slow machine shows the same page.
pub(crate) fn terminal(rows: u16) -> (InMemoryTerm, Progress) {
    terminal_of(rows, 100)
}

pub(crate) fn terminal_of(rows: u16, columns: u16) -> (InMemoryTerm, Progress) {
    terminal_with_clock((rows, columns), || Duration::ZERO)
}

fn terminal_with_clock(
    size: (u16, u16),
    clock: impl Fn() -> Duration + Send + 'static,
) -> (InMemoryTerm, Progress) {
    screen(size, clock, Duration::ZERO)
}

fn screen(
    (rows, columns): (u16, u16),
    clock: impl Fn() -> Duration + Send + 'static,
    frame: Duration,
) -> (InMemoryTerm, Progress) {
    let terminal = InMemoryTerm::new(rows, columns);
    let screen = Screen {
        target: ProgressDrawTarget::term_like(Box::new(terminal.clone())),
        size: Box::new(move || (usize::from(rows), usize::from(columns))),
        clock: Box::new(clock),
        frame,
        colour: false,
    };
    (terminal, Progress::new(screen, Verbosity::Normal))
}

pub(crate) fn tell(progress: &mut Progress, events: &[Event]) {
    for event in events {
        progress.on_event(event).unwrap();
    }
}

#[test]
fn each_active_host_has_a_line_and_the_finished_ones_scroll_above() {
    let (terminal, mut progress) = terminal(24);
    let mut run = Recording::of(&["web1", "web2", "web10", "web11"]);
    run.confirmed("web1").rolled_back("web2", "HTTP 500").applied("web10");
    run.on("web11", EventKind::HostInspected { changes: 1 });
    tell(&mut progress, &run.so_far());
    assert_snapshot!(terminal.contents(), @"
    web1  confirmed
    web2  check healthz failed: HTTP 500
    web2  undoing: check healthz failed
    web2  ROLLED_BACK: check healthz failed; now: the old state is back and was verified by the host
    web10  checking  guard 1m 23s
    ██████████░░░░░░░░░░ 2/4  1 done, 1 failed, 1 armed, 1 waiting, 50s
    ");
}

#[test]
fn a_confirmed_host_that_is_undone_is_at_work_once_more_and_counted_by_its_last_end() {
    let (terminal, mut progress) = terminal(24);
    let mut run = Recording::of(&["web1", "web2"]);
    run.confirmed("web1").rolled_back("web2", "HTTP 500");
    let (because, hosts) = (host("web2"), vec![host("web1")]);
    run.of_run(EventKind::ScopeUndone { because, hosts });
    let (to, cause) = ("01RUN".to_owned(), "undone because web2 failed".to_owned());
    run.on("web1", EventKind::GoingBack { to, cause });
    tell(&mut progress, &run.so_far());
    assert_snapshot!(terminal.contents(), @"
    web1  confirmed
    web2  check healthz failed: HTTP 500
    web2  undoing: check healthz failed
    web2  ROLLED_BACK: check healthz failed; now: the old state is back and was verified by the host
    UNDOING what was confirmed, because web2 failed: web1
    web1  going back to before run 01RUN: undone because web2 failed
    web1  going back
    undoes what was confirmed: 0 of 1 host ended
    ██████████░░░░░░░░░░ 1/2  1 failed, 1 running, 49s
    ");
}

/// A staged run of three hosts, up to its first bake.
fn up_to_its_bake() -> Recording {
    let mut run = Recording::of(&["web1", "web2", "web3"]);
    for name in ["web1", "web2", "web3"] {
        run.on(name, EventKind::HostInspected { changes: 1 });
    }
    let hosts = vec![host("web1")];
    run.of_run(EventKind::BatchStarted { batch: 1, of: 2, kind: BatchKind::Canary, hosts });
    run.confirmed("web1").of_run(EventKind::BakeStarted { batch: 1, secs: 120 });
    run
}

#[test]
fn a_bake_and_a_gate_tell_how_long_they_still_take() {
    let (terminal, mut progress) = terminal(24);
    let mut run = up_to_its_bake();
    let told = run.so_far().len();
    tell(&mut progress, &run.so_far());
    assert_snapshot!(terminal.contents(), @"
    batch 1 of 2 (canary), 1 host: web1
    web1  confirmed
    batch 1 bakes: its checks go on for 2m
    batch 1 of 2 bakes, 2m left
    ██████░░░░░░░░░░░░░░ 1/3  1 done, 2 waiting, 3s
    ");
    run.later(90_000).on("web1", check("healthz", CheckStatus::Passed, ""));
    tell(&mut progress, &run.so_far()[told..]);
    assert!(terminal.contents().contains("\nbatch 1 of 2 bakes, 30s left\n"), "{}", terminal.contents());
    run.later(30_000).of_run(EventKind::GateReached { next: 2, secs: 3_600 });
    tell(&mut progress, &run.so_far()[told + 1..]);
    let gate = "\nwaits for `deploy promote` before batch 2 of 2, 1h left\n";
    assert!(terminal.contents().contains(gate), "{}", terminal.contents());
}

#[test]
fn however_much_happens_at_once_it_is_drawn_once() {
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let screen = Screen {
        target: ProgressDrawTarget::term_like(Box::new(InMemoryTerm::new(24, 80))),
        size: Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            (24, 80)
        }),
        clock: Box::new(|| Duration::ZERO),
        frame: Duration::from_millis(100),
        colour: false,
    };
    let mut progress = Progress::new(screen, Verbosity::Normal);
    let events = Fleet::mixed(300).at_once();
    tell(&mut progress, &events);
    // Each drawing asks for the size, and each line that scrolls above.
    let asked = asked.load(Ordering::Relaxed);
    assert!(events.len() > 3_000 && asked < 20, "{} events, {asked} drawings", events.len());
}

#[test]
fn it_goes_away_when_the_run_is_over() {
    let (terminal, mut progress) = terminal(24);
    tell(&mut progress, &Recording::of(&["web1"]).confirmed("web1").finished(0));
    progress.finish().unwrap();
    assert_eq!(terminal.contents(), "web1  confirmed");
}

#[test]
fn a_countdown_goes_on_while_nothing_happens() {
    let passed = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&passed);
    let (terminal, mut progress) =
        terminal_with_clock((24, 100), move || Duration::from_secs(clock.load(Ordering::Relaxed)));
    let mut run = Recording::of(&["web1"]);
    run.on("web1", armed("systemd"));
    tell(&mut progress, &run.so_far());
    assert!(terminal.contents().contains("web1  armed  guard 5m\n"), "{}", terminal.contents());
    passed.store(17, Ordering::Relaxed);
    let patience = Instant::now() + Duration::from_secs(60);
    while !terminal.contents().contains("web1  armed  guard 4m 43s\n") {
        assert!(Instant::now() < patience, "{}", terminal.contents());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_slow_host_is_called_slow() {
    let (terminal, mut progress) = terminal(24);
    let mut run = Recording::of(&["web1", "web2"]);
    run.on("web1", EventKind::ChangeStarted { index: 0, name: "config".to_owned() });
    run.later(95_000).on("web2", EventKind::HostInspected { changes: 1 });
    tell(&mut progress, &run.so_far());
    assert!(
        terminal.contents().contains("web1  applying config  slow: at this for 1m 35s"),
        "{}",
        terminal.contents()
    );
    assert_eq!(terminal.contents().matches("slow").count(), 1);
}

#[test]
fn more_hosts_than_rows_fold_to_counts_and_the_slowest() {
    let (terminal, mut progress) = terminal(12);
    let names: Vec<_> = (1..=40).map(|n| format!("web{n:02}")).collect();
    let mut run = Recording::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, name) in names.iter().enumerate() {
        run.later(1_000);
        match n % 2 {
            0 => run.on(name, EventKind::ChangeStarted { index: 0, name: format!("of {name}") }),
            _ => run.on(name, EventKind::Uploading { bytes: 10 }),
        };
    }
    tell(&mut progress, &run.so_far());
    assert_snapshot!(terminal.contents(), @"
    web01  applying of web01  slow: at this for 39s
    web02  sending 10 B  slow: at this for 38s
    web03  applying of web03  slow: at this for 37s
    web04  sending 10 B  slow: at this for 36s
    36 more at work: 18 applying, 18 sending
    ░░░░░░░░░░░░░░░░░░░░ 0/40  40 running, 40s
    ");
}

#[test]
fn failures_are_louder_than_good_ends() {
    let (terminal, mut progress) = terminal(24);
    let mut run = Recording::of(&["web1", "web2"]);
    run.on("web2", check("ntp", CheckStatus::Failed, "not synced"));
    run.on("web2", undo_item("config", false, "read-only file system"));
    run.confirmed("web1");
    tell(&mut progress, &run.finished(3));
    assert_snapshot!(terminal.contents(), @"
    web2  check ntp failed: not synced
    web2  NOT undone: config: read-only file system
    web1  confirmed
    ██████████░░░░░░░░░░ 1/2  1 done, 1 waiting, 3s
    ");
}

#[test]
fn nothing_a_target_says_drives_the_terminal() {
    let (terminal, mut progress) = terminal(60);
    tell(&mut progress, &hostile_events());
    let text = terminal.contents();
    assert_harmless(&text);
    assert!(text.contains("\\x1b[2J"), "{text}");
}
