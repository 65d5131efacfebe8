//! Hosts of a batch that are confirmed together or not at all, as one pure function.

use std::fmt;

/// How far the hosts of such a batch are. Up to [`Pact::Confirming`] one that fails undoes them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pact {
    /// Some have not passed; those that have wait, armed.
    Gathering {
        /// How many have passed.
        passed: usize,
        /// How many of these need no extension: they were confirmed by somebody else.
        extended: usize,
    },
    /// All have passed; each window is being extended over a fresh connection.
    Extending {
        /// How many are.
        extended: usize,
    },
    /// All windows are long enough; that they are to be confirmed is being written down.
    Promising,
    /// It is written down: each is confirmed. From here on nobody is called off.
    Confirming,
    /// One failed before: all are undone.
    Broken {
        /// Which, and why.
        why: String,
    },
}

/// What can be heard of the hosts of such a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PactInput {
    /// One has passed all its checks.
    Passed,
    /// The window of one that has passed is long enough.
    Extended,
    /// One can't be confirmed any more.
    Failed {
        /// Which, and why.
        why: String,
    },
    /// That they are to be confirmed is on disk.
    Promised,
}

/// An input that makes no sense: more have passed or are extended than there are, or nobody had asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalPactInput {
    /// How far they were.
    pub pact: Pact,
    /// What was heard.
    pub input: PactInput,
}

impl fmt::Display for IllegalPactInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} can't be heard while {:?}", self.input, self.pact)
    }
}

impl std::error::Error for IllegalPactInput {}

impl Pact {
    /// Returns how so many hosts begin.
    #[must_use]
    pub fn new() -> Self {
        Self::Gathering { passed: 0, extended: 0 }
    }

    /// Returns what follows, for `members` hosts.
    ///
    /// # Errors
    /// [`IllegalPactInput`] for what makes no sense.
    pub fn step(&self, members: usize, input: PactInput) -> Result<Self, IllegalPactInput> {
        let next = match (self, &input) {
            // The first failure is the cause of all that follow.
            (Self::Broken { .. }, _) => self.clone(),
            (Self::Confirming, PactInput::Failed { .. }) => Self::Confirming,
            (_, PactInput::Failed { why }) => Self::Broken { why: why.clone() },
            (Self::Gathering { passed, extended }, PactInput::Passed) if passed + 1 < members => {
                Self::Gathering { passed: passed + 1, extended: *extended }
            }
            (Self::Gathering { passed, extended }, PactInput::Passed) if passed + 1 == members => {
                extending(members, *extended)
            }
            (Self::Gathering { passed, extended }, PactInput::Extended) if extended < passed => {
                Self::Gathering { passed: *passed, extended: extended + 1 }
            }
            (Self::Extending { extended }, PactInput::Extended) => extending(members, extended + 1),
            (Self::Promising, PactInput::Promised) => Self::Confirming,
            _ => return Err(IllegalPactInput { pact: self.clone(), input }),
        };
        Ok(next)
    }
}

impl Default for Pact {
    fn default() -> Self {
        Self::new()
    }
}

fn extending(members: usize, extended: usize) -> Pact {
    if extended < members { Pact::Extending { extended } } else { Pact::Promising }
}

/// How a host of a batch is found whose controller died after it had written down that all are to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Confirmed.
    Confirmed,
    /// Armed and ready: it can still be confirmed.
    Ready,
    /// Undone, or about to be.
    Undone,
    /// It could not be asked.
    Silent,
}

/// Returns whether those that are ready are to be confirmed; else they are undone.
///
/// A promise is kept where all can keep it, and once one has been confirmed: then each that is confirmed as well makes
/// the batch more whole. As long as none is and one can't be, undoing keeps it whole.
#[must_use]
pub fn keeps_promise(found: &[Found]) -> bool {
    let any = |wanted| found.contains(&wanted);
    any(Found::Confirmed) || !(any(Found::Undone) || any(Found::Silent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed(name: &str) -> PactInput {
        PactInput::Failed { why: format!("{name} is red") }
    }

    fn walk(members: usize, inputs: &[PactInput]) -> Pact {
        inputs.iter().fold(Pact::new(), |pact, input| pact.step(members, input.clone()).unwrap())
    }

    #[test]
    fn all_pass_then_all_are_extended_then_it_is_promised_then_all_are_confirmed() {
        use PactInput::{Extended, Passed, Promised};
        assert_eq!(walk(3, &[Passed, Passed]), Pact::Gathering { passed: 2, extended: 0 });
        assert_eq!(walk(2, &[Passed, Passed]), Pact::Extending { extended: 0 });
        assert_eq!(walk(2, &[Passed, Passed, Extended]), Pact::Extending { extended: 1 });
        assert_eq!(walk(2, &[Passed, Passed, Extended, Extended]), Pact::Promising);
        assert_eq!(walk(2, &[Passed, Passed, Extended, Extended, Promised]), Pact::Confirming);
    }

    #[test]
    fn one_that_somebody_else_has_confirmed_needs_no_extension() {
        use PactInput::{Extended, Passed};
        assert_eq!(walk(2, &[Passed, Extended]), Pact::Gathering { passed: 1, extended: 1 });
        assert_eq!(walk(2, &[Passed, Extended, Passed, Extended]), Pact::Promising);
    }

    #[test]
    fn the_first_failure_is_the_cause_and_after_the_promise_nobody_is_called_off() {
        use PactInput::{Extended, Passed, Promised};
        let broken = Pact::Broken { why: "b is red".to_owned() };
        assert_eq!(walk(2, &[Passed, failed("b"), failed("c"), Passed]), broken);
        assert_eq!(walk(1, &[Passed, Extended, failed("b"), Promised]), broken, "while it is being written");
        assert_eq!(walk(1, &[Passed, Extended, Promised, failed("b")]), Pact::Confirming);
    }

    #[test]
    fn what_makes_no_sense_is_illegal() {
        assert!(Pact::new().step(2, PactInput::Promised).is_err());
        assert!(Pact::new().step(2, PactInput::Extended).is_err());
        assert!(Pact::Extending { extended: 0 }.step(1, PactInput::Passed).is_err());
        assert!(Pact::Confirming.step(1, PactInput::Extended).is_err());
    }

    #[test]
    fn a_promise_is_kept_if_all_can_or_one_has() {
        use Found::{Confirmed, Ready, Silent, Undone};
        assert!(keeps_promise(&[Ready, Ready]));
        assert!(keeps_promise(&[Confirmed, Undone, Silent, Ready]));
        assert!(!keeps_promise(&[Ready, Undone]) && !keeps_promise(&[Ready, Silent]));
    }

    proptest! {
        #[test]
        fn none_is_confirmed_unless_all_have_passed_and_are_extended_and_nobody_failed_before(
            members in 1_usize..6,
            inputs in prop::collection::vec(prop_oneof![
                Just(PactInput::Passed), Just(PactInput::Extended), Just(PactInput::Promised), Just(failed("x")),
            ], 0..30),
        ) {
            let (mut pact, mut passed, mut extended, mut promised, mut broken) = (Pact::new(), 0, 0, false, false);
            for input in inputs {
                let Ok(next) = pact.step(members, input.clone()) else { continue };
                match input {
                    PactInput::Passed => passed += usize::from(!broken),
                    PactInput::Extended => extended += usize::from(!broken),
                    PactInput::Promised => promised |= !broken,
                    PactInput::Failed { .. } => broken |= !promised,
                }
                pact = next;
                prop_assert_eq!(pact == Pact::Confirming, promised);
                prop_assert_eq!(matches!(pact, Pact::Broken { .. }), broken);
                prop_assert!(!promised || (passed, extended) == (members, members));
            }
        }
    }
}
