//! sivcar, an AES-SIV sidecar for Apache Kafka: raw topics in, protected and masked topics out, exactly once.
//!
//! ```text
//!  raw topics ──► worker: consume → scan → policy → protect ──► protected topics
//!                    │                        └──► mask ──────► one debug topic per view
//!  control topic ────┤ marks, domains, stages
//!                    └──► rejects ────────────────────────────► dead-letter topic (sealed)
//! ```
//!
//! # One record's way
//!
//! A process has a few **workers** ([`stream::worker`]): threads, each with a consumer that is a member of the group, a transactional
//! producer, and the **tasks** (source partitions) that the group gave it. A worker polls a bounded batch, pins the policy and the
//! keysets that are in force ([`stream::current`]), opens a transaction and takes the records one by one.
//!
//! Each goes through [`privacy::protect`], where nothing but its arguments counts: [`privacy::scan`] reads the document once,
//! strictly, into spans; [`privacy::layout`] finds where workspace, event, ids and containers stand; [`privacy::policy`] has the
//! marks of that workspace as one automaton, whose matches are weighed to one verdict per field; [`privacy::detect`] looks at what no mark
//! speaks of, where the source asks for it, and [`privacy::hook`] raises levels; [`privacy::splice`] copies the
//! document and replaces only what a verdict names: by a token ([`privacy::canonical`] makes equal values equal bytes,
//! [`privacy::seal`] seals them as Tink would), by a [`privacy::mask`], or by nothing. The protected record and every view come from the same
//! spans. What cannot be read or protected becomes a sealed dead letter ([`privacy::dead_letter`]) with a reason, never an output.
//!
//! Outputs, dead letters and the offsets of what was read are committed together. Whoever opens the task next finds in the offset's
//! metadata ([`stream::transaction`]) under which policy it was written, and waits until it has that one too.
//!
//! # One mark's way
//!
//! A mark ([`privacy::mark`]) is written to the **control topic** by `sivcar mark`, or by a process at its start if its
//! configuration has it and the topic lacks it. Every process reads that topic as a table ([`stream::control`]); the offset of its last
//! record, plus one, is the **policy version**. A new table is compiled to a policy and put in force between two transactions; each
//! output says in a header under which version it was made, and versions never fall.
//!
//! # Where things are
//!
//! Dependencies run one way: `{record, secret} ← privacy ← profile ← stream ← {kafka, memory} ← cli`.
//!
//! - [`record`] and [`secret`] are the words of the stream, and values that cannot be printed.
//! - [`privacy`] is pure: no file, clock, randomness, thread or broker. It is all that decides about a value.
//! - [`profile`] is pure too: what a profile's records come to, and how that is kept.
//! - [`stream`] is the runtime, written against a seam of small traits ([`stream::log`]).
//! - [`kafka`] and [`memory`] are the two logs behind the seam: the real one, and one with transactions in memory.
//! - [`keys`] gets and keeps keysets; [`config`] turns a file into settings; [`telemetry`] and [`http`] show what happens.
//! - [`cli`] wires all of these, and is the only one that knows them all.
//!
//! Deliberately not here: anything that coordinates processes. Kafka's group protocol spreads the tasks, its transactions make the
//! outputs exact, and its control topic is the one truth about marks.

pub mod cli;
pub mod config;
pub mod http;
pub mod kafka;
pub mod keys;
pub mod memory;
pub mod privacy;
pub mod profile;
pub mod record;
pub mod secret;
pub mod stream;
pub mod telemetry;
