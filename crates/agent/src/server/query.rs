//! The part of an address behind the question mark.

/// Pairs, in the order in which they were written; a key may occur more than once.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&str> {
        self.all(key).next()
    }

    pub(super) fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// `true`, `1` or nothing but the key itself.
    pub(super) fn flag(&self, key: &'static str) -> bool {
        matches!(self.get(key), Some("true" | "1" | ""))
    }

    pub(super) fn number(&self, key: &'static str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
                continue;
            }
            None if bytes[i] == b'+' => out.push(b' '),
            None => out.push(bytes[i]),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_through_whole() {
        let query = Query::parse(
            "command=sh&command=-c&command=echo+a%20%26%3D%25+%C3%A4&tty=true&bad=%zz%",
        );
        let command: Vec<&str> = query.all("command").collect();
        assert_eq!(command, ["sh", "-c", "echo a &=% ä"]);
        assert!(query.flag("tty") && !query.flag("stdin"));
        assert_eq!(query.get("bad"), Some("%zz%"));
    }
}
