//! A TCP relay that fails on command.

use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// How often a waiting thread looks at the mode.
const TICK: Duration = Duration::from_millis(10);

/// What a relay does with bytes and with new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Passes everything on, after this long.
    Pass(Duration),
    /// Passes nothing on; new connections are taken and stay silent.
    Blackhole,
    /// Closes new connections at once.
    Close,
    /// Resets new connections at once.
    Reset,
    /// The relay is gone.
    Ended,
}

/// A relay from a port of its own to an address.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    mode: Mutex<Mode>,
    /// Both ends of all connections.
    open: Mutex<Vec<Weak<TcpStream>>>,
    accepted: AtomicUsize,
    passed: AtomicU64,
}

impl Relay {
    /// Starts one that passes everything on.
    #[must_use]
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the relay's address");
        let mode = Mutex::new(Mode::Pass(Duration::ZERO));
        let shared = Arc::new(Shared {
            to,
            mode,
            open: Mutex::default(),
            accepted: AtomicUsize::new(0),
            passed: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Passes everything on at once.
    pub fn pass(&self) {
        self.set(Mode::Pass(Duration::ZERO));
    }

    /// Passes everything on, later: each chunk of at most 64 KiB waits this long, one way.
    pub fn delay(&self, by: Duration) {
        self.set(Mode::Pass(by));
    }

    /// Falls silent: nothing is passed on in either direction, nothing is closed.
    pub fn blackhole(&self) {
        self.set(Mode::Blackhole);
    }

    /// Closes all connections in order (FIN); new ones are closed at once.
    pub fn cut(&self) {
        self.set(Mode::Close);
        self.end_all(|stream| stream.shutdown(Shutdown::Both));
    }

    /// Resets all connections (RST); new ones are reset at once.
    pub fn reset(&self) {
        self.set(Mode::Reset);
        self.end_all(reset);
    }

    /// Returns how many connections it has taken so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Returns how many bytes it has passed on so far, both directions together.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }

    fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    fn end_all(&self, end: impl Fn(&TcpStream) -> io::Result<()>) {
        for stream in self.shared.open().drain(..).filter_map(|stream| stream.upgrade()) {
            // One that is closed already is what was wanted.
            let _ = end(&stream);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.set(Mode::Ended);
        self.end_all(|stream| stream.shutdown(Shutdown::Both));
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        let mode = shared.mode();
        if mode != Mode::Ended {
            shared.accepted.fetch_add(1, Ordering::Relaxed);
        }
        match mode {
            Mode::Ended => return,
            Mode::Close => drop(client),
            Mode::Reset => {
                let _ = reset(&client);
            }
            Mode::Pass(_) | Mode::Blackhole => {
                let shared = Arc::clone(shared);
                thread::spawn(move || join(client, &shared));
            }
        }
    }
}

/// Makes the close a reset: with no time to linger, the kernel drops what is unsent and says so. The close comes
/// when the relaying threads see the mode and let go.
fn reset(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

fn join(client: TcpStream, shared: &Arc<Shared>) {
    if !matches!(passing(shared), Mode::Pass(_)) {
        return;
    }
    let Ok(server) = TcpStream::connect(shared.to) else { return };
    let (client, server) = (Arc::new(client), Arc::new(server));
    for stream in [&client, &server] {
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(TICK)));
        set.expect("a socket's options");
        shared.open().push(Arc::downgrade(stream));
    }
    let (back_from, back_to, back) = (Arc::clone(&server), Arc::clone(&client), Arc::clone(shared));
    thread::spawn(move || relay(&back_from, &back_to, &back));
    relay(&client, &server, shared);
}

/// Passes bytes on in one direction until either side closes.
fn relay(mut from: &TcpStream, to: &TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(read) => Some(read),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
            Err(_) => Some(0),
        };
        // Looked at after reading: what was read in the meantime is under the new rule.
        let mode = passing(shared);
        match (mode, read) {
            (Mode::Pass(_), None) => {}
            (Mode::Pass(delay), Some(read)) if read > 0 => {
                thread::sleep(delay);
                shared.passed.fetch_add(read as u64, Ordering::Relaxed);
                if (&*to).write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            // Shutting down would say goodbye in order; a reset doesn't.
            (Mode::Reset, _) => return,
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Waits out a blackhole and returns the mode after it.
fn passing(shared: &Shared) -> Mode {
    loop {
        match shared.mode() {
            Mode::Blackhole => thread::sleep(TICK),
            mode => return mode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo server's address.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    fn connected() -> (Relay, TcpStream) {
        let relay = Relay::to(echo());
        let mut stream = TcpStream::connect(relay.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(said_back(&mut stream).unwrap(), *b"hi");
        (relay, stream)
    }

    fn said_back(stream: &mut TcpStream) -> io::Result<[u8; 2]> {
        stream.write_all(b"hi")?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).map(|()| answer)
    }

    #[test]
    fn a_delay_holds_and_a_blackhole_swallows_without_closing() {
        let (relay, mut stream) = connected();
        relay.delay(Duration::from_millis(100));
        let start = std::time::Instant::now();
        said_back(&mut stream).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(200));
        relay.blackhole();
        thread::sleep(TICK * 5);
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert_eq!(said_back(&mut stream).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        relay.pass();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        said_back(&mut stream).unwrap();
        assert_eq!(relay.accepted(), 1);
    }

    #[test]
    fn a_cut_is_an_orderly_end_and_a_reset_is_not() {
        let (relay, mut stream) = connected();
        assert_eq!((relay.accepted(), relay.passed()), (1, 4), "two bytes there and two back");
        relay.cut();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);

        let (relay, mut stream) = connected();
        relay.reset();
        assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
