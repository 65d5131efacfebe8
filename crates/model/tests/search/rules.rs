//! The rules that make it safe, and what becomes of them when one is broken on purpose.

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The change is applied first and the guard armed after it.
    ArmAfterApply,
    /// Confirming takes a marker away, as `rm` does it, instead of linking a decision.
    ConfirmByDeletion,
    /// Whoever found no decision writes one, instead of linking it exclusively.
    CheckThenAct,
    /// A connection older than `ready` may confirm.
    ConfirmOverOldConnection,
    /// Supervisor and backup are children of the ssh session.
    GuardInSession,
    /// The record says `done` before the decision has been carried out.
    DoneBeforeCarriedOut,
    /// The deadline is a time of the wall clock.
    DeadlineOnWallClock,
    /// A confirmation is answered once it is decided, before that is durable.
    ToldBeforeDurable,
    /// The undo begins without ending the runner.
    UndoBesideRunner,
    /// Any token confirms.
    AnyToken,
    /// A decision that lost to an extension is taken for one that lost to a rollback.
    LostToExtendIsTooLate,
    /// Nobody follows a carrier that died.
    NobodyFollowsACarrier,
    /// A visit of a controller looks, and resolves nothing.
    NoResolveOnContact,
    /// The backup looks only whether the supervisor lives, not whether it is stuck.
    StuckIsAlive,
    /// A host that isn't heard of is reported as untouched, though what was sent may still begin.
    UntouchedWithoutBar,
}

pub(crate) const ALL: [Mutation; 15] = [
    Mutation::ArmAfterApply,
    Mutation::ConfirmByDeletion,
    Mutation::CheckThenAct,
    Mutation::ConfirmOverOldConnection,
    Mutation::GuardInSession,
    Mutation::DoneBeforeCarriedOut,
    Mutation::DeadlineOnWallClock,
    Mutation::ToldBeforeDurable,
    Mutation::UndoBesideRunner,
    Mutation::AnyToken,
    Mutation::LostToExtendIsTooLate,
    Mutation::NobodyFollowsACarrier,
    Mutation::NoResolveOnContact,
    Mutation::StuckIsAlive,
    Mutation::UntouchedWithoutBar,
];
