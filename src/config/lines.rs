/// Where the lines of a text end, so that the line of each of many places is found without reading the text again.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &[u8]) -> Self {
        Self(text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place).collect())
    }

    /// The line, counted from 1, that a byte offset falls in.
    pub(super) fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reaches_to_its_end_and_the_next_begins_behind_it() {
        let lines = Lines::of(b"a\n\nbc\r\nd");
        assert_eq!((0..=9).map(|offset| lines.at(offset)).collect::<Vec<_>>(), [1, 1, 2, 3, 3, 3, 3, 4, 4, 4]);
        assert_eq!(Lines::of(b"").at(0), 1);
    }
}
