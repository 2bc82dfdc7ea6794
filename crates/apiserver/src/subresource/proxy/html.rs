//! Pages whose links are made to lead through us, piece by piece as they come. Everything else in them stays as it is.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http_body_util::BodyExt as _;

use super::links::Links;
use crate::respond::{self, Body, BoxError};

/// Longest tag that is read; what is longer goes through as it is.
const TAG_MAX: usize = 64 << 10;
/// So much of a compressed page is read at a time: some megabytes at most, once it is read.
const PIECE: usize = 4 << 10;

/// The attributes that hold links, by element, as Kubernetes knows them.
const LINKS: [(&str, &[&str]); 25] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Elements whose content is no markup, with what ends it.
const TEXTS: [(&str, &str); 10] = [
    ("iframe", "</iframe"),
    ("noembed", "</noembed"),
    ("noframes", "</noframes"),
    ("noscript", "</noscript"),
    ("script", "</script"),
    ("style", "</style"),
    ("textarea", "</textarea"),
    ("title", "</title"),
    ("xmp", "</xmp"),
    // Nothing ends this one.
    ("plaintext", "\0"),
];

/// A page on its way.
pub(super) struct Page {
    links: Links,
    /// What is not a whole tag yet.
    held: Vec<u8>,
    /// What ends the text that is being passed over.
    until: Option<&'static str>,
    unpack: Option<GzDecoder<Vec<u8>>>,
}

/// What was read of a page that goes on.
enum Step {
    /// Up to here it is done.
    Done(usize),
    /// Here begins what is not whole.
    Wait(usize),
}

/// A page with its links changed, as it comes.
pub(super) fn through(body: Body, page: Page) -> Body {
    let pieces = futures::stream::try_unfold((body, Some(page)), async |(mut body, page)| {
        let Some(mut page) = page else {
            return Ok(None);
        };
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let changed = page.feed(&data)?;
            if !changed.is_empty() {
                return Ok(Some((Bytes::from(changed), (body, Some(page)))));
            }
        }
        Ok::<_, BoxError>(Some((Bytes::from(page.finish()?), (body, None))))
    });
    respond::stream(pieces)
}

// === impl Page ===

impl Page {
    pub(super) fn new(links: Links, packed: bool) -> Self {
        Self {
            links,
            held: Vec::new(),
            until: None,
            unpack: packed.then(|| GzDecoder::new(Vec::new())),
        }
    }

    fn feed(&mut self, data: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut out = Vec::new();
        let Some(mut unpack) = self.unpack.take() else {
            self.read(data, &mut out);
            return Ok(out);
        };
        for piece in data.chunks(PIECE) {
            unpack.write_all(piece)?;
            let text = std::mem::take(unpack.get_mut());
            self.read(&text, &mut out);
        }
        self.unpack = Some(unpack);
        Ok(out)
    }

    fn finish(&mut self) -> Result<Vec<u8>, BoxError> {
        let mut out = Vec::new();
        if let Some(unpack) = self.unpack.take() {
            let text = unpack.finish()?;
            self.read(&text, &mut out);
        }
        out.append(&mut self.held);
        Ok(out)
    }

    fn read(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(data);
        let mut at = 0;
        while at < held.len() {
            let rest = &held[at..];
            let step = match self.until {
                Some(end) => self.pass_over(rest, end, out),
                None => self.step(rest, out),
            };
            match step {
                Step::Done(n) => at += n,
                Step::Wait(n) => {
                    at += n;
                    break;
                }
            }
        }
        held.drain(..at);
        self.held = held;
    }

    /// Text that is no markup, up to what ends it.
    fn pass_over(&mut self, rest: &[u8], end: &'static str, out: &mut Vec<u8>) -> Step {
        if let Some(found) = find(rest, end.as_bytes()) {
            self.until = None;
            let n = found + if end == "-->" { end.len() } else { 0 };
            out.extend_from_slice(&rest[..n]);
            // The end tag goes on as any tag does.
            return Step::Done(n);
        }
        let n = rest.len().saturating_sub(end.len() - 1);
        out.extend_from_slice(&rest[..n]);
        Step::Wait(n)
    }

    /// Text up to a tag, or a tag.
    fn step(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Step {
        let text = rest.iter().position(|b| *b == b'<').unwrap_or(rest.len());
        if text > 0 {
            out.extend_from_slice(&rest[..text]);
            return Step::Done(text);
        }
        match rest.get(1) {
            None => return Step::Wait(0),
            Some(b'!') if rest.len() < 4 && b"<!--".starts_with(rest) => return Step::Wait(0),
            Some(b'!') if rest.starts_with(b"<!--") => {
                self.until = Some("-->");
                // `<!-->` is a whole one.
                out.extend_from_slice(b"<!");
                return Step::Done(2);
            }
            Some(b) if b.is_ascii_alphabetic() => {}
            Some(b'/' | b'!' | b'?') => {}
            Some(_) => {
                out.push(b'<');
                return Step::Done(1);
            }
        }
        match tag_end(rest) {
            Some(end) => {
                self.tag(&rest[..end], out);
                Step::Done(end)
            }
            None if rest.len() > TAG_MAX => {
                out.extend_from_slice(rest);
                Step::Done(rest.len())
            }
            None => Step::Wait(0),
        }
    }

    /// A whole tag, from `<` to `>`.
    fn tag(&mut self, tag: &[u8], out: &mut Vec<u8>) {
        let name = tag[1..].iter().position(|b| is_end_of_name(*b));
        let (head, mut rest) = tag.split_at(name.map_or(tag.len(), |n| n + 1));
        let name = String::from_utf8_lossy(&head[1..]).to_ascii_lowercase();
        let of = LINKS.iter().find(|(element, _)| *element == name);
        let wanted = of.map_or(&[][..], |(_, attributes)| *attributes);
        self.until = TEXTS.iter().find(|(e, _)| *e == name).map(|(_, end)| *end);
        out.extend_from_slice(head);
        while let Some(attribute) = (!wanted.is_empty())
            .then(|| Attribute::next(rest))
            .flatten()
        {
            let name = attribute.name.to_ascii_lowercase();
            let changed = wanted
                .iter()
                .any(|w| w.as_bytes() == name)
                .then(|| std::str::from_utf8(attribute.value).ok())
                .flatten()
                .and_then(|link| self.links.through(link));
            match changed {
                Some(link) => {
                    let quote = if link.contains('"') { '\'' } else { '"' };
                    out.extend_from_slice(attribute.before);
                    out.extend_from_slice(format!("{quote}{link}{quote}").as_bytes());
                }
                None => out.extend_from_slice(&rest[..rest.len() - attribute.rest.len()]),
            }
            rest = attribute.rest;
        }
        out.extend_from_slice(rest);
    }
}

/// An attribute with a value.
struct Attribute<'a> {
    name: &'a [u8],
    /// All up to its value.
    before: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

// === impl Attribute ===

impl<'a> Attribute<'a> {
    /// The next one in a tag; those without a value are passed over.
    fn next(tag: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let skip = |at: usize, what: fn(u8) -> bool| {
                at + tag[at..].iter().take_while(|b| what(**b)).count()
            };
            let begin = skip(at, |b| b.is_ascii_whitespace() || b == b'/');
            let end = skip(begin, |b| !is_end_of_name(b) && b != b'=');
            let equals = skip(end, |b| b.is_ascii_whitespace());
            match tag.get(equals) {
                None => return None,
                Some(b'=') if end > begin => {}
                Some(b'>') if equals + 1 == tag.len() => return None,
                // A name without a value, or a sign that belongs nowhere.
                Some(_) => {
                    at = end.max(begin + 1).min(tag.len());
                    continue;
                }
            }
            let value = skip(equals + 1, |b| b.is_ascii_whitespace());
            let quote = *tag.get(value)?;
            let (from, to, after) = if quote == b'"' || quote == b'\'' {
                let inside = &tag[value + 1..];
                let length = inside.iter().position(|b| *b == quote)?;
                (value + 1, value + 1 + length, value + 2 + length)
            } else {
                let to = skip(value, |b| !b.is_ascii_whitespace() && b != b'>');
                (value, to, to)
            };
            return Some(Self {
                name: &tag[begin..end],
                before: &tag[..value],
                value: &tag[from..to],
                rest: &tag[after..],
            });
        }
    }
}

fn is_end_of_name(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'/' || byte == b'>'
}

/// Where a tag ends that begins here: `>` inside of quotes ends none.
fn tag_end(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in text.iter().copied().enumerate() {
        match quote {
            Some(q) if q == byte => quote = None,
            Some(_) => {}
            None if byte == b'>' => return Some(at + 1),
            // A quote begins a value only behind an equals sign.
            None if (byte == b'"' || byte == b'\'') && before == b'=' => quote = Some(byte),
            None => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    None
}

/// Where these small letters stand, whatever their case there.
fn find(text: &[u8], small: &[u8]) -> Option<usize> {
    text.windows(small.len())
        .position(|window| window.eq_ignore_ascii_case(small))
}

#[cfg(test)]
mod tests;
