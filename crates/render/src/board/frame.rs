//! What is seen of a board: never more lines than the terminal has, and none wider.

use super::seat::{Guard, Phase, Seat, Stand, Work};
use super::{Board, FEW};
use crate::names::joined;
use crate::palette::{Palette, Tone};
use crate::quantity::{count, grouped};
use crate::row::{Row, width};
use crate::wording::seconds;
use snapback_core::outcome::HostResult;
use std::collections::BTreeMap;

/// How many hosts have a line while there are more than a few of them.
const MOST_ROWS: usize = 5;

/// How many lines and columns there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// How many hosts stand how; together they are all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// As wanted.
    pub(crate) done: usize,
    /// Not as wanted, and done with.
    pub(crate) failed: usize,
    /// Done with, and never begun.
    pub(crate) left_out: usize,
    /// Their guards are armed.
    pub(crate) armed: usize,
    /// Being worked on, and not armed.
    pub(crate) running: usize,
    /// Their turn has not come.
    pub(crate) waiting: usize,
}

impl Counts {
    pub(super) fn with(mut self, stand: &Stand) -> Self {
        *match stand {
            Stand::Unseen | Stand::Looked => &mut self.waiting,
            Stand::AtWork(Work { guard: Guard::None, .. }) => &mut self.running,
            Stand::AtWork(_) => &mut self.armed,
            Stand::Ended(HostResult::Skipped | HostResult::NotReached) => &mut self.left_out,
            Stand::Ended(result) if result.is_good() => &mut self.done,
            Stand::Ended(_) => &mut self.failed,
        } += 1;
        self
    }

    /// Returns how many hosts are done with.
    pub(crate) fn ended(self) -> usize {
        self.done + self.failed + self.left_out
    }

    /// Returns the counts in words; what is zero isn't told.
    pub(crate) fn row(self) -> Row {
        let parts = [
            (self.done, "done", Tone::Good),
            (self.failed, "failed", Tone::Bad),
            (self.armed, "armed", Tone::Notable),
            (self.running, "running", Tone::Plain),
            (self.left_out, "left out", Tone::Notable),
            (self.waiting, "waiting", Tone::Plain),
        ];
        let mut row = Row::default();
        for (number, word, tone) in parts.into_iter().filter(|(number, ..)| *number > 0) {
            let gap = if row.is_empty() { "" } else { ", " };
            row = row.with(Tone::Plain, gap).with(tone, format!("{} {word}", grouped(number)));
        }
        row
    }
}

impl Board {
    /// Returns the lines above the line of counts: hosts at work, then what the run as a whole is at.
    pub(crate) fn rows(&self, now_ms: u64, size: Size, palette: Palette) -> Vec<String> {
        // One for the counts, and one that is left to what scrolls above.
        let room = size.rows.saturating_sub(2);
        let head = Some(self.head(now_ms)).filter(|head| !head.is_empty() && room > 0);
        let mut rows = self.hosts(now_ms, room - usize::from(head.is_some()).min(room), size.columns);
        rows.extend(head);
        rows.into_iter().map(|row| row.fitted(size.columns, palette)).collect()
    }

    /// Returns the line of counts: with all of it where there is room, and without how long it took where not.
    pub(crate) fn tally(&self, now_ms: u64, columns: usize, palette: Palette) -> String {
        let took = format!(", {}", seconds(self.secs(now_ms)));
        let counts = self.counts().row();
        let row =
            if counts.width() + took.len() <= columns { counts.with(Tone::Plain, took) } else { counts };
        row.fitted(columns, palette)
    }

    fn head(&self, now_ms: u64) -> Row {
        let at_work = self.seats.iter().filter_map(|seat| Some((seat, seat.work()?)));
        let first =
            at_work.filter_map(|(seat, work)| Some((work.guard.until_ms()?, seat))).min_by_key(|f| f.0);
        let guard = first.map(|(until_ms, seat)| {
            let left = seconds(until_ms.saturating_sub(now_ms).div_ceil(1_000));
            // A host with a line of its own has its deadline there.
            if self.total() > FEW {
                format!("first guard undoes in {left}: {}", seat.host)
            } else {
                String::new()
            }
        });
        let parts = [self.stage(now_ms), guard.unwrap_or_default()];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Row::default().with(Tone::Plain, parts.join("; "))
    }

    /// A line for each host at work, or the most notable of them and a line of counts.
    fn hosts(&self, now_ms: u64, room: usize, columns: usize) -> Vec<Row> {
        let mut at_work: Vec<_> = self.seats.iter().filter_map(|seat| Some((seat, seat.work()?))).collect();
        let each = self.total() <= FEW && at_work.len() <= room;
        let shown = if each { at_work.len() } else { MOST_ROWS.min(room) };
        if at_work.len() > shown {
            at_work.sort_by_key(|(_, work)| (rank(&work.phase), work.since_ms));
        }
        let named = if at_work.len() > shown { shown.saturating_sub(1) } else { at_work.len() };
        let rest = at_work.split_off(named);
        let widest = at_work.iter().map(|(seat, _)| width(&seat.host)).max().unwrap_or_default();
        let view = View { now_ms, columns, host: widest.min(columns / 2), times: !each };
        let mut rows: Vec<_> = at_work.iter().map(|(seat, work)| view.row(seat, work)).collect();
        if !rest.is_empty() && room > 0 {
            rows.push(phases(named, &rest));
        }
        rows
    }
}

/// Whoever is in trouble comes first, and whoever waits last.
fn rank(phase: &Phase) -> u8 {
    match phase {
        Phase::Undoing | Phase::GoingBack | Phase::Lost => 0,
        phase if phase.waits() => 2,
        _ => 1,
    }
}

fn phases(named: usize, rest: &[(&Seat, &Work)]) -> Row {
    let mut counts: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    for (_, work) in rest {
        *counts.entry((rank(&work.phase), work.phase.word())).or_default() += 1;
    }
    let parts: Vec<_> = counts.iter().map(|((_, word), n)| format!("{} {word}", grouped(*n))).collect();
    let who = if named == 0 { count(rest.len(), "host") } else { format!("{} more", grouped(rest.len())) };
    Row::default().with(Tone::Plain, format!("{who} at work: {}", joined(&parts, parts.len())))
}

/// How hosts are shown.
struct View {
    now_ms: u64,
    columns: usize,
    /// The columns of a host's name.
    host: usize,
    /// Whether it is told how long a host has been at its step, also of one that isn't slow.
    times: bool,
}

impl View {
    fn row(&self, seat: &Seat, work: &Work) -> Row {
        let times = self.times(work);
        let between = "  ";
        let taken = self.host + between.len() + width(&times);
        let label = crate::row::cut(&work.phase.label(), self.columns.saturating_sub(taken).max(1));
        Row::default()
            .with(Tone::Heading, crate::row::padded(&seat.host, self.host))
            .with(Tone::Plain, format!("{between}{label}"))
            .with(Tone::Notable, times)
    }

    fn times(&self, work: &Work) -> String {
        let guard = match work.guard.until_ms().map(|at| at.saturating_sub(self.now_ms).div_ceil(1_000)) {
            None => String::new(),
            Some(0) => "  the guard undoes now".to_owned(),
            Some(left) => format!("  guard {}", seconds(left)),
        };
        let at_it = seconds(self.now_ms.saturating_sub(work.since_ms) / 1_000);
        if work.is_slow(self.now_ms) {
            format!("{guard}  slow: at this for {at_it}")
        } else if self.times {
            format!("{guard}  for {at_it}")
        } else {
            guard
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::event::{Event, EventKind, VERSION};
    use snapback_core::host::HostName;
    use snapback_core::rollout::BatchKind;

    fn names(hosts: usize) -> Vec<HostName> {
        let longest = "a-name-that-goes-on.and-on.and-on.example.org";
        let name =
            |at: usize| if at.is_multiple_of(7) { format!("h{at}.{longest}") } else { format!("h{at}") };
        (0..hosts).map(|at| HostName::parse(&name(at)).unwrap()).collect()
    }

    fn something(random: &mut fastrand::Rng, names: &[HostName]) -> EventKind {
        let left = random.u64(..5_000);
        match random.u8(..14) {
            0 => EventKind::HostInspected { changes: 1 },
            1 => EventKind::Uploading { bytes: random.u64(..) },
            2..5 => EventKind::ChangeStarted {
                index: 0, name: "größe 漢字 👩‍👩‍👧 ".repeat(random.usize(..9))
            },
            5 => EventKind::Applied { left },
            6 => EventKind::LineLost { during: "checks".to_owned() },
            7 => EventKind::RollbackStarted { cause: String::new() },
            8 => EventKind::AwaitingPerson { left, red: Vec::new() },
            9 => EventKind::LocalStarted {
                change: "主机".repeat(random.usize(..9)),
                deed: snapback_core::local_change::LocalDeed::Apply,
            },
            10 => EventKind::GateReached { next: 2, secs: left },
            11 => EventKind::BakeStarted { batch: 2, secs: left },
            12 => EventKind::BatchStarted {
                batch: 1,
                of: 3,
                kind: BatchKind::Canary,
                hosts: names[..random.usize(1..=names.len())].to_vec(),
            },
            _ => EventKind::Confirming { attempt: 1 },
        }
    }

    #[test]
    fn it_is_never_higher_nor_wider_than_the_terminal() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let names = names(random.usize(1..60));
            let mut board = Board::default();
            let mut at_ms = 0;
            let mut hear = |host: Option<HostName>, kind| {
                board.hear(&Event { v: VERSION, at_ms, run: String::new(), host, kind });
                at_ms += 700;
            };
            hear(None, EventKind::RunStarted { fleet: String::new(), hosts: names.clone() });
            for _ in 0..random.usize(..200) {
                let kind = something(&mut random, &names);
                let of_host = !matches!(
                    kind,
                    EventKind::GateReached { .. }
                        | EventKind::BakeStarted { .. }
                        | EventKind::BatchStarted { .. }
                );
                hear(random.choice(&names).filter(|_| of_host).cloned(), kind);
            }
            let size = Size { rows: random.usize(1..30), columns: random.usize(1..130) };
            let rows = board.rows(at_ms, size, Palette::new(random.bool()));
            let tally = board.tally(at_ms, size.columns, Palette::new(random.bool()));
            assert!(rows.len() < size.rows, "{size:?}: {rows:#?}");
            for row in rows.iter().chain([&tally]) {
                let seen = console::strip_ansi_codes(row);
                assert!(width(&seen) <= size.columns, "{size:?}: {seen}");
                assert!(!seen.contains('\n'), "{seen}");
            }
        }
    }
}
