//! One case: a change is brought to some state and struck there, perhaps twice, perhaps confirmed meanwhile.

use crate::fault::{Fault, Struck, strike};
use crate::job::Work;
use crate::rest::{Past, judge};
use crate::stage::{Hold, Stage, comes};
use crate::target::{Answers, Begun, Connection};
use snapback_agent::call::Sent;
use snapback_testkit::faults::{Case, Rng, leave_old_record};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

const SHELLS: [&str; 4] = ["dash", "busybox sh", "bash --posix", "mksh"];

/// Where a case strikes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    BeforeArming,
    Armed,
    Applying,
    Applied,
    Ready,
    Confirming,
    RollingBack,
    Boot,
}

const PLACES: [At; 8] = [
    At::BeforeArming,
    At::Armed,
    At::Applying,
    At::Applied,
    At::Ready,
    At::Confirming,
    At::RollingBack,
    At::Boot,
];

impl At {
    fn word(self) -> &'static str {
        match self {
            Self::BeforeArming => "before arming",
            Self::Armed => "armed",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Ready => "ready",
            Self::Confirming => "confirming",
            Self::RollingBack => "rolling_back",
            Self::Boot => "boot",
        }
    }

    fn holds(self) -> Vec<Hold> {
        match self {
            Self::BeforeArming => vec![Hold::Baseline],
            Self::Applying => vec![Hold::Apply],
            Self::Applied => vec![Hold::Check],
            Self::RollingBack => vec![Hold::Rollback],
            _ => Vec::new(),
        }
    }
}

/// Plays a case.
pub fn play(rng: &mut Rng, case: &mut Case) {
    let shell = SHELLS[rng.usize(..SHELLS.len())];
    let at = PLACES[rng.usize(..PLACES.len())];
    let stage = Stage::new(shell, rng.u32(0..4) == 0, rng.u32(0..3) == 0);
    let old = rng.u32(0..12) == 0;
    if old {
        let locked = rng.bool();
        leave_old_record(&stage.target.state(), locked).unwrap();
        case.strike(at.word(), "record: of an older version");
    }
    let work = stage.work("v2", &at.holds());
    let first = stage.target.connect();
    let (begun, job) = stage.begin(&first, &work);
    let mut past = Past::new(format!("{shell}, {at:?}"));
    let mut drama = Drama { stage: &stage, begun: &begun, past: &mut past };
    drama.reach(at, rng);
    drama.strike(at, rng, case);
    if rng.u32(0..3) == 0 {
        sleep(Duration::from_millis(rng.u64(0..1500)));
        drama.strike(at, rng, case);
    }
    stage.let_go();
    if rng.u32(0..3) > 0 {
        drama.confirm_when_ready(&work);
    }
    judge(&stage, &begun, &mut past, case);
    drop(job);
    // Whatever hung on this line is over: it must not hold up the case.
    first.abandon();
}

/// A case under way.
struct Drama<'a, 'p> {
    stage: &'a Stage,
    begun: &'a Begun,
    past: &'p mut Past<'a>,
}

impl Drama<'_, '_> {
    fn exists(&self, name: &str) -> bool {
        self.stage.target.tx(&self.begun.tx, name).exists()
    }

    /// Waits until the change is there; what never gets there is struck where it is.
    fn reach(&mut self, at: At, rng: &mut Rng) {
        let long = Duration::from_secs(6);
        match at {
            At::BeforeArming => drop(comes(long, || self.stage.is_held(Hold::Baseline))),
            At::Armed => drop(comes(long, || self.exists("armed"))),
            At::Applying if rng.bool() => drop(comes(long, || self.stage.is_held(Hold::Apply))),
            At::Applying => {
                comes(long, || self.exists("go"));
                sleep(Duration::from_millis(rng.u64(0..80)));
            }
            At::Applied => drop(comes(long, || self.stage.is_held(Hold::Check))),
            At::Ready => drop(comes(long, || self.exists("ready"))),
            At::Confirming => {
                comes(long, || self.exists("ready"));
                self.race(rng);
            }
            At::RollingBack => self.roll_back(rng),
            At::Boot => {
                let marks = ["armed", "go", "applied", "ready"];
                let mark = marks[rng.usize(..marks.len())];
                comes(long, || self.exists(mark));
            }
        }
    }

    /// A confirmation, alone or beside a rollback, close to the deadline or not; struck while it is decided.
    fn race(&mut self, rng: &mut Rng) {
        let t = &self.stage.target;
        sleep(Duration::from_millis(40));
        if rng.u32(0..4) == 0 {
            sleep(Duration::from_millis(rng.u64(2600..3000)));
        }
        let confirm = ["confirm", self.begun.tx.as_str(), self.begun.digest.as_str()];
        let token = format!("{}\n", self.begun.token);
        self.past.confirm(t.connect(), &confirm, &token);
        if rng.bool() {
            self.past.ask(t.connect(), &["rollback", self.begun.tx.as_str()], "by hand\n");
        }
        sleep(Duration::from_millis(rng.u64(0..90)));
    }

    fn roll_back(&mut self, rng: &mut Rng) {
        comes(Duration::from_secs(6), || self.exists("applied"));
        self.past.ask(self.stage.target.connect(), &["rollback", self.begun.tx.as_str()], "by hand\n");
        if rng.bool() {
            comes(Duration::from_secs(3), || self.stage.is_held(Hold::Rollback));
        } else {
            comes(Duration::from_secs(3), || self.exists("turn.1"));
            sleep(Duration::from_millis(rng.u64(0..120)));
        }
    }

    fn strike(&mut self, at: At, rng: &mut Rng, case: &mut Case) {
        let fault = match at {
            At::Boot => Fault::PowerCut,
            _ => Fault::draw(rng, self.stage.disk.as_ref(), case.is_brief()),
        };
        let struck: Struck = strike(fault, rng, self.stage, self.begun);
        case.strike(at.word(), &struck.name);
        self.past.note(struck);
    }

    /// Confirms like a controller that has seen `ready`.
    fn confirm_when_ready(&mut self, _work: &Work) {
        let over = || self.exists("ready") || self.exists("turn.1") || !self.stage.is_locked();
        comes(Duration::from_secs(5), over);
        if self.exists("ready") {
            let confirm = ["confirm", self.begun.tx.as_str(), self.begun.digest.as_str()];
            let token = format!("{}\n", self.begun.token);
            self.past.confirm(self.stage.target.connect(), &confirm, &token);
        }
    }
}

/// A question whose answer is read later, if it ever comes.
pub struct Question<'a> {
    connection: Connection<'a>,
    job: PathBuf,
    nonce: String,
}

impl<'a> Question<'a> {
    pub fn ask(connection: Connection<'a>, verb: &[&str], stdin: &str) -> Self {
        let nonce = format!("n{}", crate::target::next());
        let job = connection.start(Sent::Plain, verb, stdin.as_bytes(), &nonce);
        Self { connection, job, nonce }
    }

    /// What was answered so far.
    pub fn answers(&self) -> Answers {
        Answers::read(&self.job, &self.nonce)
    }

    pub fn abandon(self) {
        self.connection.abandon();
    }
}
