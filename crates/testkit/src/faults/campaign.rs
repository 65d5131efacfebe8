//! Running cases, some at a time, until there were enough faults or time is up.

use super::{Case, Tally};
use fastrand::Rng;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// When a campaign ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// After at least so many faults.
    Faults(u64),
    /// After the cases that were begun within this time.
    Time(Duration),
}

/// A row of cases, from the first seed on.
#[derive(Clone, Debug)]
pub struct Campaign {
    level: &'static str,
    first: u64,
    bound: Bound,
    threads: usize,
}

/// More than this many cases that fail say nothing new.
const MOST_FAILURES: usize = 20;

impl Campaign {
    /// Plans one, `threads` cases at a time. The level is the word that `cargo xtask faults --level` takes.
    #[must_use]
    pub fn new(level: &'static str, first: u64, bound: Bound, threads: usize) -> Self {
        Self { level, first, bound, threads: threads.max(1) }
    }

    /// Runs and judges what the environment asks for (`SNAPBACK_FAULTS="COUNT SEED"`, as `cargo xtask faults` sets it),
    /// or else two short slices beside each other: one whose seed is always the same, one with a seed of its own.
    ///
    /// # Panics
    /// When something that was promised did not hold.
    pub fn asked_for(
        (level, threads): (&'static str, usize),
        slice: Duration,
        states: &[&str],
        case: impl Fn(&mut Rng, &mut Case) + Sync,
    ) {
        let asked = env::var("SNAPBACK_FAULTS").ok().and_then(|text| {
            let (count, seed) = text.split_once(' ')?;
            Some((count.parse().ok()?, seed.parse().ok()?))
        });
        if let Some((count, seed)) = asked {
            // One that is repeated is alone.
            let threads = threads.min(usize::try_from(count).unwrap_or(threads));
            return Self::new(level, seed, Bound::Faults(count), threads).judge(states, case);
        }
        let own = fastrand::u64(1_000_000_000..2_000_000_000);
        thread::scope(|scope| {
            for seed in [1, own] {
                let slice = Self::new(level, seed, Bound::Time(slice), threads.div_ceil(2));
                let case = &case;
                scope.spawn(move || slice.judge(states, case));
            }
        });
    }

    /// Runs it. A case that panics has violated what it asserted.
    pub fn run(&self, case: impl Fn(&mut Rng, &mut Case) + Sync) -> Tally {
        let began = Instant::now();
        let (next, stop) = (AtomicU64::new(self.first), AtomicBool::new(false));
        let tally = Mutex::new(Tally::default());
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                // A thread of its own: a case may enter namespaces that it can't leave again.
                let done = thread::scope(|own| {
                    own.spawn(|| one(seed, self.blank(), &case)).join().unwrap_or_default()
                });
                let mut tally = tally.lock().expect("no case panics with it");
                tally.add(seed, done);
                stop.fetch_or(self.is_over(&tally, began), Ordering::Relaxed);
            }
        };
        thread::scope(|scope| (0..self.threads).for_each(|_| drop(scope.spawn(work))));
        let mut tally = tally.into_inner().expect("no case panics with it");
        tally.violations.sort_by_key(|(seed, _)| *seed);
        tally.took = began.elapsed();
        tally
    }

    fn blank(&self) -> Case {
        if matches!(self.bound, Bound::Time(_)) { Case::brief() } else { Case::default() }
    }

    fn is_over(&self, tally: &Tally, began: Instant) -> bool {
        let over = match self.bound {
            Bound::Faults(count) => tally.faults >= count,
            Bound::Time(time) => began.elapsed() >= time,
        };
        over || tally.violations.len() >= MOST_FAILURES
    }

    /// Runs it, prints what was counted, and panics with every violation and the command that repeats it.
    #[allow(clippy::print_stdout, reason = "what was counted is shown by --nocapture")]
    pub fn judge(&self, states: &[&str], case: impl Fn(&mut Rng, &mut Case) + Sync) {
        let tally = self.run(case);
        println!("{}", self.line(&tally));
        if matches!(self.bound, Bound::Faults(count) if count > 1) {
            println!("\n{}", tally.table(states));
        }
        assert!(tally.faults > 0, "nothing was injected");
        let told: Vec<String> = tally.violations.iter().map(|(seed, what)| self.told(*seed, what)).collect();
        assert!(told.is_empty(), "{} of {} cases: {}", told.len(), tally.cases, told.concat());
    }

    /// One line about all of it.
    fn line(&self, tally: &Tally) -> String {
        format!(
            "{}: {} faults in {} cases and {} s, {} an hour, {} violations, seed {}",
            self.level,
            tally.faults,
            tally.cases,
            tally.took.as_secs(),
            tally.an_hour(),
            tally.violations.len(),
            self.first
        )
    }

    fn told(&self, seed: u64, what: &[String]) -> String {
        let again = format!("cargo xtask faults --level {} --count 1 --seed {seed}", self.level);
        format!("\n{again}\n  {}", what.join("\n  ").replace('\n', "\n  "))
    }
}

fn one(seed: u64, mut case: Case, run: &(impl Fn(&mut Rng, &mut Case) + Sync)) -> Case {
    let mut rng = Rng::with_seed(seed);
    let ended = catch_unwind(AssertUnwindSafe(|| run(&mut rng, &mut case)));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        case.violate(text.unwrap_or_else(|| "a panic".to_owned()));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_case_and_a_panic_is_a_violation() {
        let drawn = Mutex::new(Vec::new());
        let run = |threads| {
            Campaign::new("process", 5, Bound::Faults(6), threads).run(|rng, case| {
                let number = rng.u32(..);
                drawn.lock().unwrap().push(number);
                case.strike("ready", "reboot");
                case.strike("ready", "reboot");
                assert!(number % 2 == 0, "odd");
            })
        };
        let (first, second) = (run(1), run(1));
        assert_eq!((first.cases, first.faults), (3, 6));
        assert_eq!(first.violations, second.violations);
        let drawn = drawn.lock().unwrap();
        assert_eq!(drawn[..3], drawn[3..]);
        let odd = drawn[..3].iter().filter(|n| **n % 2 == 1).count();
        assert_eq!(first.violations.len(), odd);
    }
}
