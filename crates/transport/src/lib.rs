//! Lines to hosts: opening them, running commands over them, saying precisely why one failed.
//!
//! Two ways of using a line, kept apart by type. [`Connector::open`] gives a [`Session`] that carries several
//! commands over one connection. [`Connector::once`] opens a fresh connection of its own for one command and
//! closes it: new TCP connection, new key exchange, new authentication, no multiplexing, the name resolved
//! again. The code that confirms is handed a connector and no session, so it can't reuse an old line.

//!
//! [`SshConnector`] is the only implementation that goes anywhere. An attempt (`connector`, `attempt`) starts an
//! ssh (`ssh`, `spawner`) with arguments (`command_line`) and a configuration around the user's (`wrapper`),
//! follows what it tells (`ssh_log`, `opening`, `pins`), and puts a failure into words (`classify`, `explain`).

mod attempt;
mod classify;
mod command_line;
mod connector;
mod explain;
mod feed;
mod line_pump;
mod nofile;
mod once;
mod opening;
mod openssh;
mod options;
mod pins;
mod program;
mod quote;
mod run_dir;
mod seam;
mod spawner;
mod ssh;
mod ssh_log;
mod tail;
mod user_jumps;
mod wrapper;

pub use connector::SshConnector;
pub use options::{Keepalive, SetupError, SshOptions};
pub use seam::{
    Bytes, ConnectError, ConnectErrorKind, Connector, Exit, Invocation, Later, Line, LineSender, Piece,
    RunError, Secret, Session, later,
};
