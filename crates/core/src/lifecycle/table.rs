//! The table as text, for `docs/lifecycle.md`; a test keeps the page and this function the same.

use super::{ALL_INPUTS, ALL_STATES, State, step};
use std::collections::BTreeMap;

/// Returns the lifecycle as a Markdown table: one row a state, its legal inputs grouped by where they lead.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| state | input → next |\n|---|---|\n");
    for state in ALL_STATES.into_iter().filter(|s| !s.is_final()) {
        text.push_str(&format!("| {} | {} |\n", state.word(), moves(state)));
    }
    text
}

fn moves(state: State) -> String {
    let mut by_next: BTreeMap<State, Vec<String>> = BTreeMap::new();
    for input in ALL_INPUTS {
        if let Ok(next) = step(state, input) {
            by_next.entry(next).or_default().push(input.word());
        }
    }
    let groups: Vec<_> = by_next
        .into_iter()
        .map(|(next, inputs)| format!("{} → {}", inputs.join(", "), next.word()))
        .collect();
    groups.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_live_state() {
        let live = ALL_STATES.into_iter().filter(|s| !s.is_final()).count();
        assert_eq!(markdown().lines().count(), live + 2);
    }
}
