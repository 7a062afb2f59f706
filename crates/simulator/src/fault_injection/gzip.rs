//! A small gzip file that unpacks to much (RFC 1951, RFC 1952), written without a compressor.

/// Before and after the filler of a JSON text.
const HEAD: &[u8] = br#"{"data":{"filler":""#;
const TAIL: &[u8] = br#""},"success":true}"#;

/// Bytes that one repetition makes: the most that DEFLATE knows.
const REPEAT: usize = 258;

/// Bits from the lowest of each byte on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, and how many they are.
    open: u32,
    count: u32,
}

impl Bits {
    /// The lowest `count` bits, lowest first.
    fn push(&mut self, bits: u32, count: u32) {
        self.open |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push((self.open & 0xff) as u8);
            self.open >>= 8;
            self.count -= 8;
        }
    }

    /// A Huffman code: highest bit first.
    fn code(&mut self, code: u32, count: u32) {
        self.push(code.reverse_bits() >> (32 - count), count);
    }

    /// A byte below 144, in the fixed code.
    fn literal(&mut self, byte: u8) {
        self.code(0x30 + u32::from(byte), 8);
    }
}

/// A gzip file of JSON with about `size` bytes of filler.
pub(crate) fn bomb(size: usize) -> Vec<u8> {
    let repeats = size / REPEAT;
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], ..Bits::default() };
    // The last block, in the fixed code.
    bits.push(0b011, 3);
    HEAD.iter().for_each(|byte| bits.literal(*byte));
    bits.literal(b'x');
    for _ in 0..repeats {
        // Length code 285 and distance code 0: the last byte, 258 times more.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    TAIL.iter().for_each(|byte| bits.literal(*byte));
    // The end of the block, then what fills the byte.
    bits.code(0, 7);
    bits.push(0, 7);
    let (mut check, piece) = (crc32fast::Hasher::new(), [b'x'; REPEAT]);
    check.update(HEAD);
    check.update(b"x");
    (0..repeats).for_each(|_| check.update(&piece));
    check.update(TAIL);
    let length = HEAD.len() + 1 + repeats * REPEAT + TAIL.len();
    let mut file = bits.bytes;
    file.extend(check.finalize().to_le_bytes());
    file.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_becomes_much() {
        let file = bomb(20 * 1024 * 1024);
        assert!(file.len() < 140 * 1024, "{}", file.len());
        assert_eq!(&file[..3], [0x1f, 0x8b, 8]);
    }

    #[test]
    fn the_bytes_are_those_of_a_gzip_file() {
        // gzip unpacks these bytes to `{"data":{"filler":"x"},"success":true}`.
        let hex: String = bomb(0).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "1f8b08000000000000ffab564a492c4954b2aa564acbccc9492d52b2",
                "52aa50aad5512a2e4d4e4e2d2e56b22a292a4dad0500751099b126000000"
            )
        );
    }
}
