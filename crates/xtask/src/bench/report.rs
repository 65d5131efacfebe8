//! Figures for people: medians with the range, and ratios round by round.

use super::meter::Reading;
use super::way::Way;

/// What was measured, round by round.
#[derive(Debug)]
pub(crate) struct Rounds {
    ways: Vec<Way>,
    hosts: usize,
    /// One row a round, one reading a way.
    rows: Vec<Vec<Reading>>,
}

/// Middle and ends of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        let most = at(sorted.len().saturating_sub(1));
        Self { median: f64::midpoint(at(low), at(high)), least: at(0), most }
    }
}

impl Rounds {
    /// Starts without any.
    pub(crate) fn new(ways: &[Way], hosts: usize) -> Self {
        Self { ways: ways.to_vec(), hosts, rows: Vec::new() }
    }

    /// Adds a round.
    pub(crate) fn add(&mut self, row: Vec<Reading>) {
        self.rows.push(row);
    }

    /// Prints everything; `peaks` is the memory of each way, in bytes.
    pub(crate) fn print(&self, peaks: &[u64]) {
        println!(
            "\n{:<20} {:>20} {:>20} {:>20} {:>12}",
            "", "wall s (min-max)", "CPU ms/host", "on the host itself", "peak PSS MB"
        );
        for (place, way) in self.ways.iter().enumerate() {
            let wall = self.column(place, |reading| reading.wall);
            let hosts = self.hosts_as_float();
            let cpu = self.column(place, |reading| reading.cpu * 1000.0 / hosts);
            let theirs = self.column(place, |reading| reading.hosts_cpu * 1000.0 / hosts);
            let peak = peaks.get(place).copied().unwrap_or(0) / 1_000_000;
            let figures = [seconds(wall), milliseconds(cpu), milliseconds(theirs)];
            println!("{way:<20} {:>20} {:>20} {:>20} {peak:>12}", figures[0], figures[1], figures[2]);
        }
        println!("\nWall time, each round's pair divided, median (min-max):");
        for (way, against) in [
            (Way::Unprotected, Way::TwoConnections),
            (Way::SameKex, Way::Unprotected),
            (Way::AsShipped, Way::Unprotected),
            (Way::AsShipped, Way::TwoConnections),
        ] {
            if let Some(ratio) = self.ratio(way, against) {
                println!("  {way:<20} / {against:<16} {}", seconds(ratio));
            }
        }
    }

    fn column(&self, place: usize, figure: impl Fn(&Reading) -> f64) -> Spread {
        Spread::of(self.rows.iter().filter_map(|row| row.get(place)).map(figure))
    }

    fn ratio(&self, way: Way, against: Way) -> Option<Spread> {
        let place = |wanted: Way| self.ways.iter().position(|way| *way == wanted);
        let (over, under) = (place(way)?, place(against)?);
        Some(Spread::of(self.rows.iter().map(|row| row[over].wall / row[under].wall)))
    }

    fn hosts_as_float(&self) -> f64 {
        u32::try_from(self.hosts).map_or(f64::NAN, f64::from)
    }
}

fn seconds(spread: Spread) -> String {
    format!("{:.2} ({:.2}-{:.2})", spread.median, spread.least, spread.most)
}

fn milliseconds(spread: Spread) -> String {
    format!("{:.0} ({:.0}-{:.0})", spread.median, spread.least, spread.most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 4.0 });
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        let mut rounds = Rounds::new(&[Way::Unprotected, Way::SameKex], 1);
        for (under, over) in [(1.0, 2.0), (10.0, 10.0), (100.0, 300.0)] {
            let reading = |wall| Reading { wall, ..Reading::default() };
            rounds.add(vec![reading(under), reading(over)]);
        }
        let ratio = rounds.ratio(Way::SameKex, Way::Unprotected).unwrap();
        assert_eq!(ratio, Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert!(rounds.ratio(Way::AsShipped, Way::Unprotected).is_none());
    }
}
