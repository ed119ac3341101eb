//! The loop that the line commands share: a line in, a line out, in order, and a line of its own for each that is rejected.
//!
//! Always holds: there is one line of output per line of input, empty where the input was rejected, and its number and reason
//! stand on standard error. What was written is flushed before the next line may have to be waited for. Deliberately not here:
//! what is done to a line.

use std::fmt::Display;
use std::io::{BufReader, BufWriter, Read, Write};

use super::exit::{Failure, Outcome};
use super::lines::Lines;

/// The size of the buffers for input and output, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Where a command reads and writes: standard input, output and error, or what a test gives.
pub struct Streams<'a> {
    /// What is read.
    pub input: &'a mut dyn Read,
    /// What is written.
    pub output: &'a mut dyn Write,
    /// Where rejections and warnings go.
    pub errors: &'a mut dyn Write,
}

/// Feeds each line of at most `limit` bytes, and of a longer one a byte more, to `work`, which appends a line of output without
/// its line feed or gives the code of a reason, and what else is to be told of it.
pub fn each_line<E: Display>(
    streams: Streams,
    limit: usize,
    mut work: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
) -> Result<Outcome, Failure> {
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER_BYTES, streams.input), limit);
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, streams.output);
    let (mut out, mut rejected) = (Vec::new(), 0);
    loop {
        if lines.may_wait() {
            output.flush().map_err(|error| Failure::writing(&error))?;
        }
        let Some(line) = lines.next().map_err(|error| Failure::reading("standard input", &error))? else { break };
        out.clear();
        if let Err(code) = work(line.bytes, &mut out) {
            out.clear();
            rejected += 1;
            // where standard error is gone, the exit code still tells
            let _ = writeln!(streams.errors, "line {}: {code}", line.number);
        }
        out.push(b'\n');
        output.write_all(&out).map_err(|error| Failure::writing(&error))?;
    }
    output.flush().map_err(|error| Failure::writing(&error))?;
    Ok(Outcome::of_rejected(rejected))
}
