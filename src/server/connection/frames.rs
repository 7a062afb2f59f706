//! Where in HTTP/2's frames (RFC 9113, section 4.1) the bytes that came so far end. Pure.
//!
//! hyper and h2 bound the size of a header block, and how many frames it may take, but not its time.

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Follows the bytes of a client.
#[derive(Debug)]
pub(super) struct Frames {
    preface_left: usize,
    /// Of the current frame's header: as many as have come.
    header: Vec<u8>,
    payload_left: usize,
    /// A header block was begun, and its last frame has not come.
    block_is_open: bool,
    /// Bytes of the last header block, as its frames announce them.
    block_bytes: usize,
}

impl Frames {
    /// Nothing has come.
    pub(super) fn new() -> Self {
        let header = Vec::with_capacity(FRAME_HEADER_BYTES);
        Self { preface_left: PREFACE_BYTES, header, payload_left: 0, block_is_open: false, block_bytes: 0 }
    }

    /// Takes what came next. Says whether something was finished in it.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut finished = false;
        let preface = bytes.len().min(self.preface_left);
        self.preface_left -= preface;
        bytes = bytes.get(preface..).unwrap_or_default();
        while !bytes.is_empty() {
            if self.header.len() < FRAME_HEADER_BYTES {
                let (more, rest) = bytes.split_at(bytes.len().min(FRAME_HEADER_BYTES - self.header.len()));
                self.header.extend_from_slice(more);
                bytes = rest;
                let &[a, b, c, kind, flags, ..] = self.header.as_slice() else { continue };
                if self.header.len() < FRAME_HEADER_BYTES {
                    continue;
                }
                self.payload_left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if matches!(kind, HEADERS | CONTINUATION) {
                    let before = if kind == CONTINUATION { self.block_bytes } else { 0 };
                    self.block_bytes = before.saturating_add(self.payload_left);
                    self.block_is_open = flags & END_HEADERS == 0;
                }
            }
            let payload = bytes.len().min(self.payload_left);
            self.payload_left -= payload;
            bytes = bytes.get(payload..).unwrap_or_default();
            if self.payload_left == 0 {
                self.header.clear();
                finished |= !self.block_is_open;
            }
        }
        finished
    }

    /// Returns the bytes of an unfinished header block, as far as its frames announce them.
    pub(super) fn open_block_bytes(&self) -> usize {
        let is_in_block = matches!(self.header.get(3), Some(&HEADERS | &CONTINUATION)) && self.payload_left > 0;
        if self.block_is_open || is_in_block { self.block_bytes } else { 0 }
    }

    /// Whether the client has begun what it must finish: anything but a request's body, whose time is bounded where it is
    /// read.
    pub(super) fn owes(&self) -> bool {
        let in_a_frame = !self.header.is_empty() && self.header.get(3) != Some(&DATA);
        self.preface_left > 0 || self.block_is_open || in_a_frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn after(pieces: &[&[u8]]) -> (bool, bool) {
        let mut frames = Frames::new();
        let mut finished = false;
        for piece in pieces {
            finished = frames.take(piece);
        }
        (frames.owes(), finished)
    }

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    #[test]
    fn a_client_owes_what_it_has_begun() {
        let (settings, open) = (frame(4, 0, b""), frame(HEADERS, 0, b"head"));
        let (closing, whole) = (frame(CONTINUATION, END_HEADERS, b"er"), frame(HEADERS, END_HEADERS, b"header"));
        for (what, pieces, owes) in [
            ("nothing yet", vec![], true),
            ("half a preface", vec![&PREFACE[..7]], true),
            ("a preface", vec![PREFACE], false),
            ("half a frame's header", vec![PREFACE, &settings[..4]], true),
            ("settings", vec![PREFACE, &settings], false),
            ("half a payload", vec![PREFACE, &whole[..11]], true),
            ("a whole header block", vec![PREFACE, &settings, &whole], false),
            ("an open header block", vec![PREFACE, &open], true),
            ("a block that was closed", vec![PREFACE, &open, &closing], false),
            ("half of a body", vec![PREFACE, &whole, &frame(DATA, 0, b"body")[..10]], false),
        ] {
            assert_eq!(after(&pieces).0, owes, "{what}");
        }
    }

    #[test]
    fn header_block_is_open_until_its_last_byte() {
        let whole = frame(HEADERS, END_HEADERS, b"header");
        let continued = [frame(HEADERS, 0, b"head"), frame(CONTINUATION, END_HEADERS, b"er")].concat();
        for (what, block, open) in [("in one frame", whole, 6), ("in two frames", continued, 6)] {
            let mut frames = Frames::new();
            frames.take(PREFACE);
            let (last, rest) = block.split_last().unwrap();
            frames.take(rest);
            assert_eq!(frames.open_block_bytes(), open, "{what}");
            frames.take(&[*last]);
            assert_eq!(frames.open_block_bytes(), 0, "{what}");
        }
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut() {
        let all = [PREFACE, &frame(4, 0, b""), &frame(HEADERS, 0, b"head"), &frame(CONTINUATION, 0, b"er")].concat();
        for end in 0..=all.len() {
            let single: Vec<&[u8]> = all[..end].chunks(1).collect();
            assert_eq!(after(&single).0, after(&[&all[..end]]).0, "after {end} bytes");
        }
        let open = after(&[&all]);
        assert_eq!(open, (true, true), "settings were finished, the block was not");
    }
}
