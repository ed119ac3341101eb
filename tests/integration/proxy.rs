//! What may happen to a request between a client and a broker: it is lost, it comes late, its answer is lost, the connection
//! breaks.
//!
//! A proxy takes the connections that clients make to a listener of the broker, and asks about each request of a transaction. It
//! knows as much of Kafka's protocol as frames them and tells whose transaction it is, and changes no byte. A request that
//! was held goes on over the connection to the broker that it would have taken, which outlives the client's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::broker::Broker;
use crate::patience::PATIENCE;

/// The api keys of a transaction's requests.
pub const ADD_PARTITIONS: i16 = 24;
pub const ADD_OFFSETS: i16 = 25;
pub const END_TXN: i16 = 26;

/// The last version of each with fixed lengths; librdkafka speaks none later.
const PLAIN_VERSIONS: [(i16, i16); 3] = [(ADD_PARTITIONS, 2), (ADD_OFFSETS, 2), (END_TXN, 2)];

/// A request of a transaction.
#[derive(Clone, Debug)]
pub struct Request {
    pub key: i16,
    /// The transactional id.
    pub id: String,
    /// Another one for each producer that takes the id.
    pub epoch: i16,
    /// What follows.
    rest: Vec<u8>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Passes,
    /// It never arrives.
    Lost,
    /// The same, and the client's connection breaks.
    Cut,
    /// It arrives, and nobody hears of it.
    Unanswered,
    /// It arrives when [`Proxy::release`] says so, and nobody but the test hears of it.
    Late,
    /// The same, and the client's connection breaks at once.
    LateAndCut,
}

/// Decides about each request; it is asked in the order in which they come.
type Judge = Box<dyn FnMut(&Request) -> Fate + Send>;

/// A request that was held.
struct Held {
    request: Request,
    frame: Vec<u8>,
    broker: TcpStream,
    /// Gives the body of its answer.
    answer: Receiver<Vec<u8>>,
}

struct State {
    judge: Judge,
    held: Vec<Held>,
}

/// Where clients are sent.
pub struct Proxy {
    /// What clients take as `bootstrap.servers`.
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// A broker, and a proxy before the one of its listeners that clients of the proxy learn of. The broker's own address leads
    /// past the proxy.
    pub fn start(judge: impl FnMut(&Request) -> Fate + Send + 'static) -> (Broker, Proxy) {
        let door = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = door.local_addr().expect("it is bound").to_string();
        let listeners = "PLAINTEXT://127.0.0.1:@broker@,BEHIND://127.0.0.1:@other@,CONTROLLER://127.0.0.1:@controller@";
        let broker = Broker::start_with(&format!(
            "listeners={listeners}\nadvertised.listeners=PLAINTEXT://127.0.0.1:@broker@,BEHIND://{address}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\n"
        ));
        let settings = std::fs::read_to_string(broker.folder.join("broker.properties")).expect("it has settings");
        let behind = settings.split("BEHIND://").nth(1).and_then(|rest| rest.split(',').next()).expect("a listener");
        let (behind, state) = (behind.to_owned(), Arc::new(Mutex::new(State { judge: Box::new(judge), held: vec![] })));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in door.incoming().map_while(Result::ok) {
                // where the broker is gone, nobody answers here either, for good
                let Ok(broker) = TcpStream::connect(&behind) else { break };
                Connection { client, broker, unheard: Arc::default() }.serve(&shared);
            }
        });
        (broker, Proxy { address, state })
    }

    /// Sends the first request with this transactional id that is held to the broker; gives the error code of its answer.
    pub fn release(&self, id: &str) -> i16 {
        let mut state = lock(&self.state);
        let place = state.held.iter().position(|held| held.request.id == id);
        let mut held = state.held.remove(place.expect("it is held"));
        drop(state);
        held.broker.write_all(&held.frame).expect("the broker is there");
        let answer = held.answer.recv_timeout(PATIENCE).expect("the broker answers");
        // behind the time that the client is to wait
        i16::from_be_bytes([answer[4], answer[5]])
    }
}

impl Request {
    /// The partitions of `topic` that an ADD_PARTITIONS names.
    pub fn partitions(&self, topic: &str) -> BTreeSet<i32> {
        assert_eq!(self.key, ADD_PARTITIONS);
        let mut rest = Fields(&self.rest);
        let mut found = BTreeSet::new();
        for _ in 0..rest.number() {
            let name = rest.text();
            let partitions: Vec<i32> = (0..rest.number()).map(|_| rest.number()).collect();
            if name == topic {
                found.extend(partitions);
            }
        }
        found
    }

    /// Whether an END_TXN is to commit.
    pub fn commits(&self) -> bool {
        assert_eq!(self.key, END_TXN);
        self.rest[0] == 1
    }
}

/// Answers by correlation id, and who gets each, if anybody.
type Unheard = BTreeMap<i32, Option<Sender<Vec<u8>>>>;

/// A connection of a client, and the one to the broker.
struct Connection {
    client: TcpStream,
    broker: TcpStream,
    /// The answers that the client does not get.
    unheard: Arc<Mutex<Unheard>>,
}

impl Connection {
    fn serve(self, state: &Arc<Mutex<State>>) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("one more handle");
        let back = Connection { client: copy(&self.client), broker: copy(&self.broker), unheard: self.unheard.clone() };
        let state = state.clone();
        std::thread::spawn(move || _ = self.requests(&state));
        std::thread::spawn(move || _ = back.answers());
    }

    /// Ends with the client; the connection to the broker stays, for what is held.
    fn requests(mut self, state: &Mutex<State>) -> io::Result<()> {
        loop {
            let frame = frame(&mut self.client)?;
            let Some((correlation, request)) = read(&frame) else {
                self.broker.write_all(&frame)?;
                continue;
            };
            let mut state = lock(state);
            let fate = (state.judge)(&request);
            match fate {
                Fate::Passes | Fate::Unanswered => {
                    drop(state);
                    if fate == Fate::Unanswered {
                        lock(&self.unheard).insert(correlation, None);
                    }
                    self.broker.write_all(&frame)?;
                }
                Fate::Lost => {}
                Fate::Cut => self.client.shutdown(Shutdown::Both)?,
                Fate::Late | Fate::LateAndCut => {
                    let (sender, answer) = channel();
                    lock(&self.unheard).insert(correlation, Some(sender));
                    state.held.push(Held { request, frame, broker: self.broker.try_clone()?, answer });
                    if fate == Fate::LateAndCut {
                        self.client.shutdown(Shutdown::Both)?;
                    }
                }
            }
        }
    }

    fn answers(mut self) -> io::Result<()> {
        loop {
            let frame = frame(&mut self.broker)?;
            let correlation = Fields(&frame[4..]).number();
            match lock(&self.unheard).remove(&correlation) {
                None => _ = self.client.write_all(&frame),
                Some(None) => {}
                Some(Some(sender)) => _ = sender.send(frame[8..].to_vec()),
            }
        }
    }
}

/// One frame with its length, as it came.
fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; 4 + u32::from_be_bytes(length) as usize];
    frame[..4].copy_from_slice(&length);
    stream.read_exact(&mut frame[4..])?;
    Ok(frame)
}

/// The correlation id of a request of a transaction, and what it says; `None` for any other.
fn read(frame: &[u8]) -> Option<(i32, Request)> {
    let mut fields = Fields(&frame[4..]);
    let (key, version, correlation) = (fields.short(), fields.short(), fields.number());
    let (_, last) = PLAIN_VERSIONS.into_iter().find(|(known, _)| *known == key)?;
    assert!(version <= last, "request {key} has version {version}, which is not known here");
    let _client = fields.text();
    let id = fields.text();
    let _producer: [u8; 8] = fields.take();
    let epoch = fields.short();
    Some((correlation, Request { key, id, epoch, rest: fields.0.to_vec() }))
}

/// Bytes of a message that are not read yet.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn short(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn number(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    /// Empty where it is null.
    fn text(&mut self) -> String {
        let (text, rest) = match usize::try_from(self.short()) {
            Ok(length) => self.0.split_at(length),
            Err(_) => (&[][..], self.0),
        };
        let text = String::from_utf8(text.to_vec()).expect("is text");
        self.0 = rest;
        text
    }

    fn take<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let (taken, rest) = self.0.split_first_chunk().expect("the message is whole");
        self.0 = rest;
        *taken
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
