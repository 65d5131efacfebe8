//! Recorded runs: the events of each way in which a run can end.

use snapback_core::event::{CheckStatus, Event, EventKind, VERSION};
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_core::way::WayKind;
use snapback_render::Subscriber;
use std::collections::BTreeMap;

/// 2027-01-15T08:00:00Z.
pub(crate) const BEGAN_MS: u64 = 1_800_000_000_000;

/// What a hostile target would print: clear the screen, forge a line, change the direction of writing.
pub(crate) const HOSTILE: &str = "no\u{1b}[2J\u{9b}31m\rweb9: confirmed\u{202e}";

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// A run being recorded: events with a clock that only moves when told to.
pub(crate) struct Recording {
    events: Vec<Event>,
    now_ms: u64,
    results: BTreeMap<String, HostResult>,
}

impl Recording {
    pub(crate) fn of(hosts: &[&str]) -> Self {
        let mut recording = Self { events: Vec::new(), now_ms: BEGAN_MS, results: BTreeMap::new() };
        let hosts = hosts.iter().map(|name| host(name)).collect();
        recording.say(None, EventKind::RunStarted { fleet: "shop".to_owned(), hosts });
        recording
    }

    pub(crate) fn later(&mut self, ms: u64) -> &mut Self {
        self.now_ms += ms;
        self
    }

    pub(crate) fn on(&mut self, name: &str, kind: EventKind) -> &mut Self {
        self.say(Some(host(name)), kind);
        self
    }

    pub(crate) fn of_run(&mut self, kind: EventKind) -> &mut Self {
        self.say(None, kind);
        self
    }

    pub(crate) fn warned(&mut self, text: &str) -> &mut Self {
        self.of_run(EventKind::Warning { text: text.to_owned() })
    }

    /// Up to the end of apply: the same for every ending.
    pub(crate) fn applied(&mut self, name: &str) -> &mut Self {
        self.later(100).on(name, EventKind::HostConnected { way: WayKind::Final, ms: 98 });
        self.later(50).on(name, EventKind::HostInspected { changes: 1 });
        self.later(10).on(name, EventKind::Uploading { bytes: 12_400 });
        self.later(200).on(name, armed("systemd"));
        self.later(5).on(name, EventKind::ChangeStarted { index: 0, name: "config".to_owned() });
        self.on(name, output("config", "reloading"));
        let finished = EventKind::ChangeFinished { index: 0, name: "config".to_owned(), ms: 340 };
        self.later(340).on(name, finished);
        self.on(name, EventKind::Applied { left: 83 })
    }

    pub(crate) fn confirmed(&mut self, name: &str) -> &mut Self {
        self.applied(name).later(3_000).on(name, check("healthz", CheckStatus::Passed, "HTTP 200"));
        self.on(name, EventKind::Ready { left: 80 });
        self.on(name, EventKind::Confirming { attempt: 1 });
        self.later(120).on(name, ended(HostResult::Confirmed, "", "the change stays", ""))
    }

    pub(crate) fn unchanged(&mut self, name: &str) -> &mut Self {
        self.later(100).on(name, EventKind::HostConnected { way: WayKind::Final, ms: 98 });
        self.on(name, EventKind::HostInspected { changes: 0 });
        self.on(name, ended(HostResult::Unchanged, "", "as wanted; nothing was touched", ""))
    }

    pub(crate) fn rolled_back(&mut self, name: &str, detail: &str) -> &mut Self {
        self.applied(name).later(45_000).on(name, check("healthz", CheckStatus::Failed, detail));
        self.on(name, EventKind::RollbackStarted { cause: "check healthz failed".to_owned() });
        self.later(400).on(name, undo_item("config", true, ""));
        let state = "the old state is back and was verified by the host";
        self.on(name, ended(HostResult::RolledBack, "check healthz failed", state, "deploy retry shop.toml"))
    }

    pub(crate) fn unknown(&mut self, name: &str) -> &mut Self {
        self.applied(name).later(500).on(name, EventKind::LineLost { during: "checks".to_owned() });
        self.later(90_000).on(name, EventKind::ConfirmFailed { reason: "connection timed out".to_owned() });
        let state = format!(
            "not read: {name} could not be reached again\neither rolled_back by its guard, or still down"
        );
        let next = format!("deploy status --limit {name} shop.toml");
        self.on(name, ended(HostResult::Unknown, "no fresh connection within the window", &state, &next))
    }

    /// A batch that was to be confirmed as one and wasn't.
    pub(crate) fn split(&mut self, hosts: &[(&str, HostResult)]) -> &mut Self {
        let hosts = hosts.iter().map(|(host, result)| ((*host).to_owned(), *result)).collect();
        self.say(None, EventKind::BatchSplit { batch: 2, hosts });
        self
    }

    pub(crate) fn finished(&mut self, exit_code: u8) -> Vec<Event> {
        let ms = self.now_ms - BEGAN_MS;
        let hosts = self.results.clone();
        self.say(None, EventKind::RunFinished { hosts, exit_code, ms });
        self.so_far()
    }

    pub(crate) fn so_far(&self) -> Vec<Event> {
        self.events.clone()
    }

    pub(crate) fn say(&mut self, host: Option<HostName>, kind: EventKind) {
        if let (Some(host), EventKind::HostFinished { result, .. }) = (&host, &kind) {
            self.results.insert(host.to_string(), *result);
        }
        self.events.push(Event { v: VERSION, at_ms: self.now_ms, run: "01RUN".to_owned(), host, kind });
    }
}

/// Three hosts, one for each ending: confirmed, rolled back, unknown.
pub(crate) fn three_endings() -> Vec<Event> {
    let mut run = Recording::of(&["web1", "web2", "web10"]);
    run.confirmed("web1").rolled_back("web2", "waiting\nHTTP 500, wanted 200").unknown("web10");
    run.finished(3)
}

pub(crate) fn armed(backend: &str) -> EventKind {
    EventKind::GuardArmed {
        backend: backend.to_owned(),
        boot_hook: "systemd".to_owned(),
        apply_timeout: 300,
        window: 83,
    }
}

pub(crate) fn output(step: &str, line: &str) -> EventKind {
    EventKind::Output { step: step.to_owned(), line: line.to_owned() }
}

pub(crate) fn check(check: &str, status: CheckStatus, detail: &str) -> EventKind {
    EventKind::CheckFinished { check: check.to_owned(), status, detail: detail.to_owned(), required: true }
}

pub(crate) fn undo_item(item: &str, ok: bool, detail: &str) -> EventKind {
    EventKind::UndoItem { item: item.to_owned(), ok, detail: detail.to_owned() }
}

pub(crate) fn ended(result: HostResult, cause: &str, state: &str, next: &str) -> EventKind {
    let (cause, state, next) = (cause.to_owned(), state.to_owned(), next.to_owned());
    EventKind::HostFinished { result, cause, state, next, health: None, failing: Vec::new() }
}

/// One event of every kind, every text of it hostile.
pub(crate) fn hostile_events() -> Vec<Event> {
    events_saying(HOSTILE)
}

/// One event of every kind, every text of it this one.
pub(crate) fn events_saying(said: &str) -> Vec<Event> {
    let text = || said.to_owned();
    let mut run = Recording::of(&["web1", "web2"]);
    run.events.clear();
    run.say(None, EventKind::RunStarted { fleet: text(), hosts: vec![host("web1"), host("web2")] });
    let kinds = [
        EventKind::HostConnected { way: WayKind::Was, ms: 1 },
        EventKind::HostInspected { changes: 2 },
        EventKind::Uploading { bytes: 1 },
        EventKind::GuardArmed { backend: text(), boot_hook: text(), apply_timeout: 1, window: 1 },
        EventKind::ChangeStarted { index: 0, name: text() },
        EventKind::Output { step: text(), line: text() },
        EventKind::ChangeFinished { index: 0, name: text(), ms: 1 },
        EventKind::Applied { left: 1 },
        check(said, CheckStatus::Failed, said),
        check(said, CheckStatus::RedBefore, said),
        EventKind::Ready { left: 1 },
        EventKind::LineLost { during: text() },
        EventKind::Confirming { attempt: 2 },
        EventKind::ConfirmFailed { reason: text() },
        EventKind::RollbackStarted { cause: text() },
        EventKind::GoingBack { to: text(), cause: text() },
        undo_item(said, false, said),
        EventKind::Warning { text: text() },
    ];
    for kind in kinds {
        run.on("web1", kind);
    }
    run.warned(said).on("web1", ended(HostResult::RollbackFailed, said, said, said));
    run.finished(3)
}

/// Plays events to a subscriber, to its end.
pub(crate) fn play(events: &[Event], mut subscriber: impl Subscriber) {
    for event in events {
        subscriber.on_event(event).unwrap();
    }
    subscriber.finish().unwrap();
}
