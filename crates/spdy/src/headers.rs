//! Names and values, compressed by one zlib stream in each direction, which begins with a dictionary that both ends know.

use bytes::{Buf as _, Bytes};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::Error;

/// The dictionary of SPDY/3, as its draft gives it (section 2.6.10.1).
const DICTIONARY: &[u8] = include_bytes!("../data/dictionary.bin");
/// The headers of one stream, not compressed.
const BLOCK_MAX: usize = 64 << 10;
const NAMES_MAX: u32 = 100;

/// The headers that a client opened a stream with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of this name, whatever its case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        found.1.split('\0').next()
    }

    fn decode(mut block: Bytes) -> Option<Self> {
        let text = |block: &mut Bytes| -> Option<String> {
            let length = block.try_get_u32().ok()? as usize;
            (length <= block.len())
                .then(|| String::from_utf8_lossy(&block.split_to(length)).into_owned())
        };
        let count = block.try_get_u32().ok()?;
        if count > NAMES_MAX {
            return None;
        }
        let pairs = (0..count).map(|_| Some((text(&mut block)?, text(&mut block)?)));
        pairs.collect::<Option<_>>().map(Self)
    }

    #[cfg(test)]
    pub(crate) fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut block = u32::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            block.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            block.extend(text.as_bytes());
        }
        block
    }
}

/// The headers of the other end, one block after another.
#[derive(Debug)]
pub(crate) struct Inflater(Decompress);

impl Inflater {
    pub(crate) fn new() -> Self {
        Self(Decompress::new(true))
    }

    pub(crate) fn read(&mut self, block: &[u8]) -> Result<Headers, Error> {
        const BAD: Error = Error::Protocol("headers cannot be read");
        let mut out = Vec::with_capacity(BLOCK_MAX.min(1 << 10));
        let mut rest = block;
        while !rest.is_empty() {
            if out.len() == out.capacity() {
                if out.len() >= BLOCK_MAX {
                    return Err(Error::Protocol("headers are too long"));
                }
                out.reserve(out.len());
            }
            let (read, written) = (self.0.total_in(), out.len());
            let step = self.0.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            let taken = usize::try_from(self.0.total_in() - read).map_err(|_| BAD)?;
            rest = &rest[taken..];
            match step {
                Ok(_) if taken == 0 && out.len() == written && out.len() < out.capacity() => {
                    return Err(BAD);
                }
                Ok(_) => {}
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(DICTIONARY).map_err(|_| BAD)?;
                }
                Err(_) => return Err(BAD),
            }
        }
        Headers::decode(Bytes::from(out)).ok_or(BAD)
    }
}

/// Our headers. There are none to say, but the stream of compressed blocks must go on.
pub(crate) struct Deflater(Compress);

impl Deflater {
    pub(crate) fn new() -> Self {
        let mut compress = Compress::new(Compression::best(), true);
        compress
            .set_dictionary(DICTIONARY)
            .expect("a fresh stream takes a dictionary");
        Self(compress)
    }

    pub(crate) fn write(&mut self, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(block.len() + 64);
        let mut rest = block;
        loop {
            let read = self.0.total_in();
            self.0
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .expect("deflating does not fail");
            rest = &rest[usize::try_from(self.0.total_in() - read).unwrap_or(rest.len())..];
            if rest.is_empty() && out.len() < out.capacity() {
                return out;
            }
            out.reserve(64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_builds_on_those_before() {
        let (mut deflater, mut inflater) = (Deflater::new(), Inflater::new());
        for port in ["80", "8080", "80"] {
            let block = Headers::encode(&[("streamtype", "data"), ("port", port)]);
            let headers = inflater.read(&deflater.write(&block)).unwrap();
            assert_eq!(headers.get("streamType"), Some("data"));
            assert_eq!(headers.get("port"), Some(port));
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let block = Headers::encode(&[("x", &"a".repeat(1 << 20))]);
        let bomb = Deflater::new().write(&block);
        assert!(bomb.len() < 4096);
        let error = Inflater::new().read(&bomb).unwrap_err();
        assert_eq!(error.to_string(), "not SPDY/3.1: headers are too long");
    }

    #[test]
    fn garbage_is_refused() {
        assert!(Inflater::new().read(b"no zlib at all").is_err());
        let lie = [0, 0, 0, 1, 0, 0, 1, 0, b'x'];
        assert!(Inflater::new().read(&Deflater::new().write(&lie)).is_err());
    }
}
