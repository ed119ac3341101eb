//! Lines in, bounded in memory.
//!
//! A line is what stands before a line feed, as bytes; the last one needs none. Always holds: no more than the limit and one byte
//! of a line is kept, which is enough for the scanner to refuse it as too large; the rest is read and dropped. Deliberately not
//! here: what a line means.

use std::io::{self, BufRead};

/// Reads lines of at most `limit` bytes.
pub struct Lines<R> {
    input: R,
    limit: usize,
    line: Vec<u8>,
    number: u64,
}

/// One line.
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes without the line feed; more than the limit where the line is longer, but not all of it.
    pub bytes: &'a [u8],
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input`, each at most `limit` bytes long.
    pub fn new(input: R, limit: usize) -> Self {
        Self { input, limit, line: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut any = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                break;
            }
            any = true;
            let feed = memchr::memchr(b'\n', chunk);
            let part = &chunk[..feed.unwrap_or(chunk.len())];
            let room = (self.limit + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let used = feed.map_or(chunk.len(), |feed| feed + 1);
            self.input.consume(used);
            if feed.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes: &self.line }))
    }
}

impl<R: io::Read> Lines<io::BufReader<R>> {
    /// Whether the next line may have to be waited for: the moment to flush what was written, or whoever feeds us line by line
    /// would wait for us in turn.
    pub fn may_wait(&self) -> bool {
        self.input.buffer().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn lines(input: &[u8], limit: usize, capacity: usize) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Lines::new(BufReader::with_capacity(capacity, input), limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().expect("memory can be read") {
            all.push((line.number, line.bytes.to_vec()));
        }
        all
    }

    #[test]
    fn the_last_line_needs_no_line_feed_and_empty_ones_count() {
        let expected = [(1, b"a".to_vec()), (2, b"".to_vec()), (3, b"b\r".to_vec())];
        assert_eq!(lines(b"a\n\nb\r", 9, 4), expected);
        assert_eq!(lines(b"a\n\nb\r\n", 9, 4), expected);
        assert_eq!(lines(b"", 9, 4), []);
        assert_eq!(lines(b"\n", 9, 4), [(1, b"".to_vec())]);
    }

    #[test]
    fn a_longer_line_is_cut_one_byte_past_the_limit() {
        assert_eq!(
            lines(b"123\n1234\n12345\n6", 3, 2),
            [(1, b"123".to_vec()), (2, b"1234".to_vec()), (3, b"1234".to_vec()), (4, b"6".to_vec())]
        );
    }

    proptest! {
        #[test]
        fn lines_are_what_stands_between_line_feeds(input in "[a\n]{0,40}", limit in 0usize..9, capacity in 1usize..9) {
            let mut expected: Vec<&str> = input.split('\n').collect();
            if expected.last() == Some(&"") {
                expected.pop();
            }
            let found: Vec<String> = lines(input.as_bytes(), limit, capacity)
                .into_iter()
                .map(|(_, line)| String::from_utf8(line).expect("is ASCII"))
                .collect();
            let cut: Vec<&str> = expected.into_iter().map(|line| &line[..line.len().min(limit + 1)]).collect();
            prop_assert_eq!(found, cut);
        }
    }
}
