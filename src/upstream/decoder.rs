//! Bounded decoding of a vendor body. Pure.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::error::SendError;

/// Collects a body, unpacked, up to a maximum size.
pub(super) enum Decoder {
    Identity(Bounded),
    Gzip { decoder: Box<MultiGzDecoder<Bounded>>, is_empty: bool },
}

impl Decoder {
    /// Selects the content coding. Names are compared without regard to case (RFC 9110, section 8.4.1).
    pub(super) fn new(headers: &HeaderMap, max: usize) -> Result<Self, SendError> {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = value.to_str().map_err(|_| SendError::Garbled)?.to_ascii_lowercase();
            codings.extend(text.split(',').map(|coding| coding.trim().to_owned()));
        }
        codings.retain(|coding| !matches!(coding.as_str(), "" | "identity"));
        let bounded = Bounded { body: Vec::new(), max, is_full: false };
        match codings.as_slice() {
            [] => Ok(Self::Identity(bounded)),
            [coding] if matches!(coding.as_str(), "gzip" | "x-gzip") => {
                Ok(Self::Gzip { decoder: Box::new(MultiGzDecoder::new(bounded)), is_empty: true })
            }
            _ => Err(SendError::Garbled),
        }
    }

    pub(super) fn write(&mut self, chunk: &[u8]) -> Result<(), SendError> {
        match self {
            Self::Identity(body) => body.write_all(chunk).map_err(|_| SendError::TooLarge),
            Self::Gzip { decoder, is_empty } => {
                *is_empty &= chunk.is_empty();
                let written = decoder.write_all(chunk);
                written.map_err(|_| if decoder.get_ref().is_full { SendError::TooLarge } else { SendError::Garbled })
            }
        }
    }

    /// Returns the whole body; an error if the coding does not end here.
    pub(super) fn finish(self) -> Result<Vec<u8>, SendError> {
        match self {
            Self::Identity(body) => Ok(body.body),
            Self::Gzip { is_empty: true, .. } => Ok(Vec::new()),
            Self::Gzip { mut decoder, .. } => {
                let ended = decoder.try_finish();
                if decoder.get_ref().is_full {
                    return Err(SendError::TooLarge);
                }
                ended.and_then(|()| decoder.finish()).map(|body| body.body).map_err(|_| SendError::Garbled)
            }
        }
    }
}

/// Refuses what exceeds `max` bytes.
pub(super) struct Bounded {
    body: Vec<u8>,
    max: usize,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max.saturating_sub(self.body.len()) {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};
    use reqwest::header::HeaderValue;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(coding: &'static str, body: &[u8], max: usize) -> Result<Vec<u8>, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        let mut decoder = Decoder::new(&headers, max)?;
        for chunk in body.chunks(7) {
            decoder.write(chunk)?;
        }
        decoder.finish()
    }

    #[test]
    fn content_coding_ignores_case_and_accepts_x_gzip() {
        for coding in ["gzip", "GZIP", "x-gzip", "X-GZip", "identity, gzip"] {
            assert_eq!(decode(coding, &gzip(b"{}"), 100), Ok(b"{}".to_vec()), "{coding}");
        }
        assert_eq!(decode("Identity", b"{}", 100), Ok(b"{}".to_vec()));
        for coding in ["br", "gzip, gzip", "deflate"] {
            assert_eq!(decode(coding, &gzip(b"{}"), 100), Err(SendError::Garbled), "{coding}");
        }
    }

    #[test]
    fn gzip_members_are_concatenated() {
        let body = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        assert_eq!(decode("gzip", &body, 100), Ok(b"{\"a\":1}".to_vec()));
    }

    #[test]
    fn gzip_bound_counts_unpacked_bytes() {
        let body = gzip(&vec![b' '; 100_000]);
        assert_eq!(decode("gzip", &body, 99_999), Err(SendError::TooLarge));
        assert_eq!(decode("gzip", &body, 100_000).map(|body| body.len()), Ok(100_000));
    }

    #[test]
    fn truncated_gzip_is_invalid() {
        let body = gzip(b"{\"success\":true}");
        assert_eq!(decode("gzip", body.get(..body.len() - 9).unwrap(), 100), Err(SendError::Garbled));
        assert_eq!(decode("gzip", b"plain text", 100), Err(SendError::Garbled));
        assert_eq!(decode("gzip", b"", 100), Ok(Vec::new()));
    }
}
