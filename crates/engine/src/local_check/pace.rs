//! When a check is asked again.

use super::Heard;
use snapback_core::check::{Judge, Pace, Verdict};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The shortest time between two attempts. A check that fails at once with `interval = "0s"` would otherwise
/// keep a core busy.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Asks until the answers are judged; returns the answer that decided and what was printed with it.
pub(super) async fn until_judged<F>(pace: Pace, mut ask: impl FnMut() -> F) -> Heard
where
    F: Future<Output = Heard>,
{
    let zero = Instant::now();
    let mut judge = Judge::new(pace);
    loop {
        let started = zero.elapsed();
        let (answer, lines) = ask().await;
        let ended = zero.elapsed();
        match judge.hear(started, ended, &answer) {
            Verdict::Healthy => return (answer, lines),
            Verdict::Unhealthy(decisive) => return (decisive, lines),
            Verdict::Pending => sleep_until(zero + next_start(pace, started, ended)).await,
        }
    }
}

/// Returns when the next attempt starts: one interval after the start of the last, never before its end, and
/// never after the deadline, so that the last answer comes at most one timeout after it. The confirm window is
/// computed from that.
fn next_start(pace: Pace, started: Duration, ended: Duration) -> Duration {
    let due = started + pace.interval.max(SHORTEST_INTERVAL);
    due.min(pace.healthy_deadline).max(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::check::Answer;
    use std::cell::RefCell;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn pace() -> Pace {
        Pace {
            interval: ms(1000),
            timeout: ms(5000),
            min_healthy_time: ms(5000),
            healthy_deadline: ms(45_000),
            failure_limit: 0,
        }
    }

    fn no() -> Answer {
        Answer::Failed("no".to_owned())
    }

    /// Asks a check whose nth attempt takes and says what `script(n)` says; returns when each attempt started,
    /// the decisive answer, and when it was decided.
    async fn play(pace: Pace, script: impl Fn(usize) -> (Duration, Answer)) -> (Vec<u64>, Answer, u64) {
        let zero = Instant::now();
        let starts = RefCell::new(Vec::new());
        let (answer, _) = until_judged(pace, || {
            let (takes, answer) = script(starts.borrow().len());
            starts.borrow_mut().push(zero.elapsed().as_millis() as u64);
            async move {
                tokio::time::sleep(takes).await;
                (answer, Vec::new())
            }
        })
        .await;
        (starts.into_inner(), answer, zero.elapsed().as_millis() as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn healthy_once_it_has_passed_for_min_healthy_time() {
        let (starts, answer, at) = play(pace(), |_| (ms(0), Answer::Passed)).await;
        assert_eq!((answer, at), (Answer::Passed, 5000));
        assert_eq!(starts, [0, 1000, 2000, 3000, 4000, 5000]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_interval_is_from_start_to_start() {
        let (starts, ..) = play(pace(), |_| (ms(300), Answer::Passed)).await;
        assert_eq!(starts, [0, 1000, 2000, 3000, 4000, 5000]);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_never_overlap() {
        let (starts, ..) = play(pace(), |_| (ms(2500), Answer::Passed)).await;
        assert_eq!(starts, [0, 2500]);
    }

    #[tokio::test(start_paused = true)]
    async fn failing_then_recovering_is_healthy() {
        let (_, answer, at) = play(pace(), |n| (ms(0), if n < 10 { no() } else { Answer::Passed })).await;
        assert_eq!((answer, at), (Answer::Passed, 15_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_after_a_pass_ends_it_at_once() {
        let (_, answer, at) = play(pace(), |n| (ms(0), if n == 2 { no() } else { Answer::Passed })).await;
        assert_eq!((answer, at), (no(), 2000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_starts_no_later_than_the_deadline() {
        let slow = Pace { interval: ms(20_000), ..pace() };
        let (starts, answer, at) = play(slow, |_| (ms(4000), no())).await;
        assert_eq!(starts, [0, 20_000, 40_000, 45_000]);
        assert_eq!((answer, at), (no(), 49_000), "never later than the deadline and one timeout");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_of_zero_still_lets_time_pass() {
        let spinning = Pace { interval: ms(0), healthy_deadline: ms(1000), ..pace() };
        let (starts, answer, at) = play(spinning, |_| (ms(0), no())).await;
        assert_eq!((starts.len(), answer, at), (101, no(), 1000));
    }
}
