//! A batch of lines, and its recovery after a partial write.

use super::dropped::DroppedLines;

/// A batch of lines.
///
/// All are whole but the first, whose beginning a failed write may have written.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    bytes: Vec<u8>,
    /// Number of bytes written.
    written: usize,
    /// Whether the bytes begin in the middle of a line.
    torn: bool,
    /// Offset of the notice, and the number of dropped lines it reports.
    notice: Option<(usize, u64)>,
}

impl LineBatch {
    /// Returns whether every byte is written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Returns the bytes that are not written yet.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Adds lines that include their line feeds.
    pub(super) fn push(&mut self, lines: &str) {
        self.bytes.extend_from_slice(lines.as_bytes());
    }

    /// Adds the notice of dropped lines, if any.
    pub(super) fn push_notice(&mut self, dropped: u64, render: impl Fn(u64) -> String) {
        if dropped > 0 {
            self.notice = Some((self.bytes.len(), dropped));
            self.push(&render(dropped));
        }
    }

    /// Records that further bytes were written.
    pub(super) fn written(&mut self, bytes: usize) {
        self.written += bytes;
        if self.is_empty() {
            *self = Self {
                bytes: std::mem::take(&mut self.bytes),
                ..Self::default()
            };
            self.bytes.clear();
        }
    }

    /// Counts the unwritten lines as dropped.
    ///
    /// The rest of a torn line stays, so that the next write completes it.
    pub(super) fn give_up(&mut self, dropped: &DroppedLines) {
        self.torn = match self.written {
            0 => self.torn,
            written => self.bytes[written - 1] != b'\n',
        };
        let keep_to = match self.torn {
            true => self.end_of_line(self.written),
            false => self.written,
        };
        let mut lines = count_lines(&self.bytes[keep_to..]);
        if let Some((at, reported)) = self.notice.take() {
            if at >= keep_to {
                // The notice is not a line of the service.
                lines -= 1;
                dropped.add_unreported(reported);
            }
        }
        dropped.add(lines);
        self.bytes.truncate(keep_to);
        self.bytes.drain(..self.written);
        self.written = 0;
    }

    fn end_of_line(&self, from: usize) -> usize {
        let end = self.bytes[from..].iter().position(|&byte| byte == b'\n');
        end.map_or(self.bytes.len(), |end| from + end + 1)
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(lines: u64) -> String {
        format!("dropped={lines}\n")
    }

    #[test]
    fn lost_notice_is_repeated() {
        let (mut batch, dropped) = (LineBatch::default(), DroppedLines::default());
        dropped.add(3);
        batch.push("a\n");
        batch.push_notice(dropped.take_unreported(), notice);
        batch.give_up(&dropped);
        assert!(batch.is_empty());
        assert_eq!((dropped.total(), dropped.take_unreported()), (4, 4));
    }

    #[test]
    fn torn_line_keeps_its_rest() {
        let (mut batch, dropped) = (LineBatch::default(), DroppedLines::default());
        batch.push("one\n");
        batch.push("two\n");
        batch.push("three\n");
        batch.written(6);
        batch.give_up(&dropped);
        assert_eq!((batch.bytes(), dropped.total()), (&b"o\n"[..], 1));
        // No byte of the rest is written: it stays.
        batch.push("four\n");
        batch.give_up(&dropped);
        assert_eq!((batch.bytes(), dropped.total()), (&b"o\n"[..], 2));
        batch.written(2);
        batch.push("five\n");
        batch.give_up(&dropped);
        assert!(batch.is_empty());
        assert_eq!(dropped.total(), 3);
    }

    #[test]
    fn torn_notice_counts_as_reported() {
        let (mut batch, dropped) = (LineBatch::default(), DroppedLines::default());
        dropped.add(2);
        batch.push_notice(dropped.take_unreported(), notice);
        batch.written(3);
        batch.give_up(&dropped);
        assert_eq!(batch.bytes(), b"pped=2\n");
        assert_eq!((dropped.total(), dropped.take_unreported()), (2, 0));
    }
}
