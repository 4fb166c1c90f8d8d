//! The lines of one shard's part of a COPY, as lines of the whole stream.
//!
//! A server counts the lines that it is sent, and says the number where it rejects one. What a client wants to know is the
//! line of its own. Runs of lines are kept as pairs of small differences, two bytes for most; the oldest are forgotten when
//! there are many, since a server is never far behind what it was sent.

/// Bytes of differences that are kept: half a million runs.
const KEPT: usize = 1 << 20;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct LineNumbers {
    /// The lines in front of what is kept: the shard's, the stream's.
    before: (u64, u64),
    /// Those behind the last run.
    end: (u64, u64),
    /// Of each run: lines of the shard, and lines of the stream since the end of the shard's run before.
    runs: Vec<u8>,
}

impl LineNumbers {
    /// The shard is sent so many lines, the last of which is this one of the stream.
    pub fn push(&mut self, lines: u64, last: u64) {
        if lines == 0 {
            return;
        }
        if self.runs.len() > KEPT {
            self.forget();
        }
        write(&mut self.runs, lines);
        write(&mut self.runs, last.saturating_sub(self.end.1));
        self.end = (self.end.0 + lines, last);
    }

    fn forget(&mut self) {
        let mut at = 0;
        while at < KEPT / 2 {
            let lines = read(&self.runs, &mut at);
            let gone = read(&self.runs, &mut at);
            self.before = (self.before.0 + lines, self.before.1 + gone);
        }
        self.runs.drain(..at);
    }

    /// The line of the stream that is this one of the shard's; `None`: it is not known any more.
    pub fn of_stream(&self, line: u64) -> Option<u64> {
        let (mut shard, mut stream) = self.before;
        if line <= shard || line > self.end.0 {
            return None;
        }
        let mut at = 0;
        while at < self.runs.len() {
            shard += read(&self.runs, &mut at);
            stream += read(&self.runs, &mut at);
            if line <= shard {
                return Some(stream - (shard - line));
            }
        }
        None
    }
}

/// Seven bits in a byte, the lowest first.
fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some(&byte) = bytes.get(*at) {
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_stream() {
        let mut numbers = LineNumbers::default();
        // A header, then lines 2, 5 to 7 and 1000.
        numbers.push(1, 1);
        numbers.push(1, 2);
        numbers.push(3, 7);
        numbers.push(1, 1000);
        let of_stream: Vec<_> = (0..8).map(|line| numbers.of_stream(line)).collect();
        let expected = [
            None,
            Some(1),
            Some(2),
            Some(5),
            Some(6),
            Some(7),
            Some(1000),
            None,
        ];
        assert_eq!(of_stream, expected);
    }

    #[test]
    fn memory_has_an_end_and_the_latest_lines_are_known() {
        let mut numbers = LineNumbers::default();
        for line in 1..=2_000_000u64 {
            numbers.push(1, line * 3);
        }
        assert!(numbers.runs.len() <= KEPT + 32);
        assert_eq!(numbers.of_stream(1), None);
        assert_eq!(numbers.of_stream(1_999_000), Some(5_997_000));
        assert_eq!(numbers.of_stream(2_000_000), Some(6_000_000));
    }
}
