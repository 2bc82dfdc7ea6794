//! What Go says of text that is no JSON: clients and people search for these words.

/// What is expected at some place of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    /// A value, or the end of the array.
    FirstItem,
    /// A key, or the end of the object.
    FirstKey,
    Key,
    Colon,
    /// A comma or the end of what is open.
    Next,
}

/// The first mistake; nothing if there is none.
pub(super) fn mistake(text: &[u8]) -> Option<String> {
    Scan {
        text,
        at: 0,
        open: Vec::new(),
    }
    .run()
    .err()
}

struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    /// `{` and `[` that are not closed.
    open: Vec<u8>,
}

/// How deep Go reads.
const DEPTH_MAX: usize = 10_000;
const END: &str = "unexpected end of JSON input";

// === impl Scan ===

impl Scan<'_> {
    fn run(mut self) -> Result<(), String> {
        let mut want = Want::Value;
        loop {
            while self
                .text
                .get(self.at)
                .is_some_and(|b| b" \t\r\n".contains(b))
            {
                self.at += 1;
            }
            if want == Want::Next && self.open.is_empty() {
                return match self.text.get(self.at) {
                    None => Ok(()),
                    Some(&byte) => Err(invalid(byte, "after top-level value")),
                };
            }
            let byte = self.peek()?;
            want = match (want, byte) {
                (Want::Value | Want::FirstItem, b'{' | b'[') => {
                    self.at += 1;
                    self.open.push(byte);
                    if self.open.len() > DEPTH_MAX {
                        let sign = char::from(byte);
                        return Err(format!("invalid character '{sign}' exceeded max depth"));
                    }
                    if byte == b'{' {
                        Want::FirstKey
                    } else {
                        Want::FirstItem
                    }
                }
                (Want::FirstItem, b']') | (Want::FirstKey, b'}') => self.close(),
                (Want::Value | Want::FirstItem, _) => {
                    self.scalar(byte)?;
                    Want::Next
                }
                (Want::FirstKey | Want::Key, b'"') => {
                    self.string()?;
                    Want::Colon
                }
                (Want::FirstKey | Want::Key, _) => {
                    return Err(invalid(byte, "looking for beginning of object key string"));
                }
                (Want::Colon, b':') => {
                    self.at += 1;
                    Want::Value
                }
                (Want::Colon, _) => return Err(invalid(byte, "after object key")),
                (Want::Next, _) => self.next(byte)?,
            };
        }
    }

    fn peek(&self) -> Result<u8, String> {
        self.text
            .get(self.at)
            .copied()
            .ok_or_else(|| END.to_owned())
    }

    fn close(&mut self) -> Want {
        self.at += 1;
        self.open.pop();
        Want::Next
    }

    fn next(&mut self, byte: u8) -> Result<Want, String> {
        match (self.open.last(), byte) {
            (Some(b'{'), b',') => {
                self.at += 1;
                Ok(Want::Key)
            }
            (Some(b'['), b',') => {
                self.at += 1;
                Ok(Want::Value)
            }
            (Some(b'{'), b'}') | (Some(b'['), b']') => Ok(self.close()),
            (Some(b'{'), _) => Err(invalid(byte, "after object key:value pair")),
            _ => Err(invalid(byte, "after array element")),
        }
    }

    fn scalar(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(invalid(byte, "looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for wanted in word.bytes() {
            let byte = self.peek()?;
            if byte != wanted {
                let wanted = char::from(wanted);
                return Err(invalid(
                    byte,
                    &format!("in literal {word} (expecting '{wanted}')"),
                ));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                0..0x20 => return Err(invalid(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.peek()?;
                    if !byte.is_ascii_hexdigit() {
                        return Err(invalid(byte, "in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(invalid(byte, "in string escape code")),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        if self.text[self.at] == b'-' {
            self.at += 1;
            self.digit("in numeric literal")?;
        }
        if self.text[self.at] == b'0' {
            self.at += 1;
        } else {
            self.digits();
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&self, context: &str) -> Result<(), String> {
        let byte = self.peek()?;
        if byte.is_ascii_digit() {
            return Ok(());
        }
        Err(invalid(byte, context))
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}

fn invalid(byte: u8, context: &str) -> String {
    format!("invalid character {} {context}", quoted(byte))
}

/// A byte as Go quotes a character.
pub(super) fn quoted(byte: u8) -> String {
    let sign = match byte {
        b'\'' => "\\'".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        0x7f => "\\x7f".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        0xa1..=0xff if byte != 0xad => char::from(byte).to_string(),
        0..0x80 => format!("\\x{byte:02x}"),
        _ => format!("\\u{byte:04x}"),
    };
    format!("'{sign}'")
}

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn mistakes_are_told_in_the_words_of_go() {
        let said = |text: &str| mistake(text.as_bytes()).unwrap_or_default();
        for (text, expected) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("{} {", "invalid character '{' after top-level value"),
            (
                "{,",
                "invalid character ',' looking for beginning of object key string",
            ),
            (
                "{'a'",
                "invalid character '\\'' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\": 1 2}",
                "invalid character '2' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            (
                "no",
                "invalid character 'o' in literal null (expecting 'u')",
            ),
            (
                "[1,]",
                "invalid character ']' looking for beginning of value",
            ),
            ("-x", "invalid character 'x' in numeric literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("{\"a\": [1, 2.5e3, true, null, \"\\u00ff\"]}", ""),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}
