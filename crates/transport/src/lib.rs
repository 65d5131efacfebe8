//! Lines to hosts: opening them, running commands over them, saying precisely why one failed.
//!
//! Two ways of using a line, kept apart by type. [`Connector::open`] gives a [`Session`] that carries several
//! commands over one connection. [`Connector::once`] opens a fresh connection of its own for one command and
//! closes it: new TCP connection, new key exchange, new authentication, no multiplexing, the name resolved
//! again. The code that confirms is handed a connector and no session, so it can't reuse an old line.

mod seam;

pub use seam::{
    Bytes, ConnectError, ConnectErrorKind, Connector, Exit, Invocation, Line, LineSender, Piece, RunError,
    Session,
};
