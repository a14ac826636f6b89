//! data_stream - the data stream in Rust: a source that ticks, clients that are TCP connections.
//!
//! Guarantees: the source is a handler mailbox with a name. It keeps a callback per client, watches each client's
//! mailbox with a monitor, tells all of them each tick, and forgets the dead by their DOWN; nobody has to sign off. A
//! client watches the source by its name, so that exactly one of `died` and `already down` happens to it, in one atomic
//! step. A slow reader costs its mailbox's bound, loses its oldest lines, and disturbs nobody.
//!
//!     cargo run --example data_stream -- [PORT [INTERVAL_MS]]       then: nc localhost PORT
//!
//! A client that sends the line `stop` ends the source, and with it all streams; the program then ends, too.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};
use tidings::{Address, Engine, Error, Kind, Mailbox, Messages, Monitor, Policy, Reason, Result};

const SOURCE: &str = "source";
const JOIN: u64 = 1;
const TICK: u64 = 2;

// ---- the source -------------------------------------------------------------------------------------------------

/// How the source tells a client. An error says that the client has just gone; its DOWN is on the way.
type Tell = Box<dyn FnMut(&str) -> Result<()> + Send>;

/// A closure is no bytes: it comes beside the JOIN message of its client.
type Joining = (Address, Tell);

struct Source {
    joining: Receiver<Joining>,
    clients: HashMap<u64, (Tell, Monitor)>,
    ticks: u64,
    begun: Instant,
}

impl Source {
    fn handle(&mut self, own: &Mailbox, messages: &mut Messages<'_>) {
        while let Some(message) = messages.next() {
            match message.kind() {
                Kind::Timer if message.tag() == TICK => self.tick(),
                Kind::Down => self.forget(message.reference(), message.reason()),
                Kind::Message if message.tag() == JOIN => self.join(own),
                _ => {}
            }
        }
    }

    /// A client that has ended already is forgotten in the same way: its DOWN comes at once.
    fn join(&mut self, own: &Mailbox) {
        while let Ok((client, tell)) = self.joining.try_recv() {
            let Ok(monitor) = own.monitor(client) else { return };
            println!("client {client:?} joined");
            self.clients.insert(monitor.id(), (tell, monitor));
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let line = format!("{{\"seq\":{},\"uptime_ms\":{}}}\n", self.ticks, self.begun.elapsed().as_millis());
        for (tell, _) in self.clients.values_mut() {
            let _ = tell(&line);
        }
    }

    fn forget(&mut self, monitor: u64, reason: Reason) {
        if self.clients.remove(&monitor).is_some() {
            println!("forgot a client ({reason}), {} left", self.clients.len());
        }
    }
}

/// Runs the source on this thread until it is told to end.
fn run_source(engine: &Engine, joining: Receiver<Joining>, interval: Duration) -> Result<()> {
    let run = engine.open_loop()?;
    let mut source = Source { joining, clients: HashMap::new(), ticks: 0, begun: Instant::now() };
    let mailbox = engine.mailbox().name(SOURCE).handled_in(&run, move |own, messages| source.handle(own, messages))?;
    let _ticks = mailbox.send_every(interval, TICK, b"")?;
    while mailbox.stats()?.open {
        run.run(Some(Duration::from_secs(1)))?;
    }
    Ok(())
}

// ---- a client ---------------------------------------------------------------------------------------------------

/// First the monitor, then the subscription: a source that ends in between is still noticed.
fn join(engine: &Engine, joining: &Sender<Joining>) -> Result<(Mailbox, Monitor)> {
    let mailbox = engine.mailbox().policy(Policy::DropOld).max_messages(64).open()?;
    let monitor = mailbox.monitor_name(SOURCE)?;
    let address = mailbox.address();
    let tell = move |line: &str| address.send(0, line.as_bytes());
    if joining.send((address, Box::new(tell))).is_ok() {
        if let Some(source) = engine.whereis(SOURCE)? {
            let _ = mailbox.send_to(source, JOIN, b""); // nobody there any more: the DOWN says so
        }
    }
    Ok((mailbox, monitor))
}

/// Writes lines to the socket until the source or the connection ends; the mailbox ends with this function.
fn stream(mailbox: &Mailbox, mut socket: &TcpStream) {
    for message in mailbox {
        let over = match message.kind() {
            Kind::Down if message.reason() == Reason::NOPROC => Some("already down\n"),
            Kind::Down => Some("died\n"),
            _ => None,
        };
        if socket.write_all(over.map_or(message.data(), str::as_bytes)).is_err() || over.is_some() {
            break;
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
}

/// Reads what the client says, to hear when it goes: that ends its mailbox, and so its stream.
fn listen_to(engine: &Engine, mailbox: Address, socket: &TcpStream) {
    for line in BufReader::new(socket).lines().map_while(std::io::Result::ok) {
        if let ("stop", Ok(Some(source))) = (line.trim(), engine.whereis(SOURCE)) {
            let _ = source.close();
        }
    }
    let _ = mailbox.exit(Reason::user(0), b"connection closed");
}

fn serve(engine: &Engine, joining: &Sender<Joining>, socket: &TcpStream) -> Result<()> {
    let (mailbox, _monitor) = join(engine, joining)?;
    thread::scope(|scope| {
        scope.spawn(|| listen_to(engine, mailbox.address(), socket));
        stream(&mailbox, socket);
    });
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let interval: u64 = arguments.next().map_or(Ok(1000), |interval| interval.parse())?;
    let engine: &'static Engine = Box::leak(Box::new(Engine::new()?));
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let (joining, joined) = channel();
    println!("listening on {}", listener.local_addr()?);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let joining = joining.clone();
            thread::spawn(move || match serve(engine, &joining, &socket) {
                Ok(()) | Err(Error::Closed | Error::Stale) => {}
                Err(error) => eprintln!("data_stream: {error}: {}", tidings::last_error()),
            });
        }
    });
    run_source(engine, joined, Duration::from_millis(interval))?;
    thread::sleep(Duration::from_millis(100)); // for the last lines to leave
    println!("mailboxes left: {}", engine.stats()?.mailboxes);
    Ok(())
}
