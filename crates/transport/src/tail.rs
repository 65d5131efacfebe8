//! Text that is kept up to a bound.

/// The longest transcript, in bytes.
const BOUND: usize = 8 * 1024;

/// The last lines of what was heard, at most 8 KiB of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    text: String,
}

impl Tail {
    /// Adds a line; older ones make room.
    pub(crate) fn push(&mut self, line: &str) {
        let line: String = line.chars().take(BOUND / 8).collect();
        self.text.push_str(&line);
        self.text.push('\n');
        while self.text.len() > BOUND {
            let end = self.text.find('\n').map_or(self.text.len(), |at| at + 1);
            self.text.drain(..end);
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lines_make_room_and_new_ones_stay() {
        let mut tail = Tail::default();
        for number in 0..5000 {
            tail.push(&format!("line {number}"));
        }
        assert!(tail.as_str().len() <= BOUND);
        assert!(tail.as_str().ends_with("line 4999\n"));
        assert!(tail.as_str().starts_with("line "));
        tail.push(&"ä".repeat(50_000));
        assert!(tail.as_str().len() <= BOUND && tail.as_str().starts_with("line "));
    }
}
