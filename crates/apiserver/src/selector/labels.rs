//! Label selectors as query strings.

use crate::cache::Marks;
use crate::status::{Error, Result};

/// All requirements must hold; none is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
    /// What every object that matches bears.
    marks: Marks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(&'static str),
}

// === impl LabelSelector ===

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| Error::BadRequest(format!("unable to parse requirement: {why}"));
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
        };
        let mut requirements = Vec::new();
        while let Some(token) = parser.peek() {
            if !requirements.is_empty() {
                if *token != Token::Sign(",") {
                    let found = text_of(Some(token));
                    return Err(Error::BadRequest(format!(
                        "found '{found}', expected: ',' or 'end of string'"
                    )));
                }
                parser.at += 1;
                if parser.peek().is_none() {
                    return Err(Error::BadRequest(
                        "found '', expected: identifier after ','".into(),
                    ));
                }
            }
            match parser.peek() {
                None | Some(Token::Word(_) | Token::Sign("!")) => {}
                found if requirements.is_empty() => {
                    let found = text_of(found);
                    return Err(Error::BadRequest(format!(
                        "found '{found}', expected: !, identifier, or 'end of string'"
                    )));
                }
                found => {
                    let found = text_of(found);
                    return Err(Error::BadRequest(format!(
                        "found '{found}', expected: identifier after ','"
                    )));
                }
            }
            requirements.push(parser.requirement().map_err(wrong)?);
        }
        let marks = requirements.iter().map(Requirement::marks).collect();
        Ok(Self {
            requirements,
            marks,
        })
    }

    /// Whatever bears this label. Nothing is parsed, so whatever a caller sends as the value stays one.
    pub(crate) fn label(key: &str, value: &str) -> Self {
        let requirement = Requirement {
            key: key.to_owned(),
            test: Test::In(vec![value.to_owned()]),
        };
        Self {
            marks: requirement.marks(),
            requirements: vec![requirement],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    pub(crate) fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut all = self.requirements.iter();
        all.all(|r| r.test.holds(label(&r.key)))
    }
}

// === impl Requirement ===

impl Requirement {
    fn marks(&self) -> Marks {
        match &self.test {
            Test::Absent | Test::NotIn(_) => Marks::default(),
            Test::In(values) if values.len() == 1 => Marks::label(&self.key, &values[0]),
            Test::Exists | Test::In(_) | Test::Greater(_) | Test::Less(_) => Marks::key(&self.key),
        }
    }
}

// === impl Test ===

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(values) => value.is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(values) => value.is_none_or(|v| values.iter().all(|w| w != v)),
            Self::Greater(than) => number().is_some_and(|n| n > *than),
            Self::Less(than) => number().is_some_and(|n| n < *than),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

// === impl Parser ===

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Some(&Token::Sign("!"));
        if absent {
            self.at += 1;
        }
        let key = match self.next() {
            Some(Token::Word(key)) => key,
            other => {
                return Err(format!(
                    "found '{}', expected: {}",
                    text_of(other.as_ref()),
                    if absent {
                        "identifier"
                    } else {
                        "!, identifier, or 'end of string'"
                    }
                ));
            }
        };
        check_key(&key)?;
        let test = match self.peek() {
            _ if absent => Test::Absent,
            None | Some(Token::Sign(",")) => Test::Exists,
            _ => self.comparison(&key)?,
        };
        Ok(Requirement { key, test })
    }

    fn comparison(&mut self, key: &str) -> Result<Test, String> {
        let operator = text_of(self.next().as_ref());
        Ok(match operator.as_str() {
            "=" | "==" => Test::In(vec![self.value(key)?]),
            "!=" => Test::NotIn(vec![self.value(key)?]),
            "in" => Test::In(self.values(key)?),
            "notin" => Test::NotIn(self.values(key)?),
            ">" => Test::Greater(self.integer(key)?),
            "<" => Test::Less(self.integer(key)?),
            other => {
                return Err(format!(
                    "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
                ));
            }
        })
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        match self.peek() {
            None | Some(Token::Sign(",")) => Ok(String::new()),
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                check_value(key, &word)?;
                Ok(word)
            }
            other => Err(format!("found '{}', expected: identifier", text_of(other))),
        }
    }

    fn integer(&mut self, key: &str) -> Result<i64, String> {
        let value = self.value(key)?;
        value.parse().map_err(|_| {
            format!(
                "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        })
    }

    fn values(&mut self, key: &str) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != Some(Token::Sign("(")) {
            return Err(format!("found '{}' expected: '('", text_of(open.as_ref())));
        }
        let mut values = vec![self.value_in_set(key)?];
        loop {
            match self.next() {
                Some(Token::Sign(",")) => values.push(self.value_in_set(key)?),
                Some(Token::Sign(")")) => return Ok(values),
                other => {
                    return Err(format!(
                        "found '{}', expected: ',' or ')'",
                        text_of(other.as_ref())
                    ));
                }
            }
        }
    }

    fn value_in_set(&mut self, key: &str) -> Result<String, String> {
        if self.peek() == Some(&Token::Sign(")")) {
            return Ok(String::new());
        }
        self.value(key)
    }
}

fn text_of(token: Option<&Token>) -> String {
    match token {
        None => String::new(),
        Some(Token::Word(word)) => word.clone(),
        Some(Token::Sign(sign)) => (*sign).to_owned(),
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let signs = ["==", "!=", "=", "!", ",", "(", ")", ">", "<"];
        if let Some(sign) = signs.into_iter().find(|s| rest.starts_with(s)) {
            tokens.push(Token::Sign(sign));
            rest = rest[sign.len()..].trim_start();
            continue;
        }
        let special = |c: char| c.is_whitespace() || "=!,()><".contains(c);
        let end = rest.find(special).unwrap_or(rest.len());
        tokens.push(Token::Word(rest[..end].to_owned()));
        rest = rest[end..].trim_start();
    }
    tokens
}

fn check_key(key: &str) -> Result<(), String> {
    let wrong = cedge_kinds::formats::label_key(key);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "<nil>: Invalid value: {key:?}: {}",
        wrong.join("; ")
    ))
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    let wrong = cedge_kinds::formats::label_value(value);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "values[0][{key}]: Invalid value: {value:?}: {}",
        wrong.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let selector = LabelSelector::parse(selector).unwrap();
        let found = selector.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v));
        assert_eq!(found, expected, "{selector:?} {labels:?}");
    }

    #[test]
    fn every_operator_selects() {
        let web = [("app", "web"), ("n", "5")];
        check("", &web, true);
        check("app=web", &web, true);
        check("app==web,n=5", &web, true);
        check("app!=web", &web, false);
        check("other!=web", &web, true);
        check("app in (a, web)", &web, true);
        check("app notin (a,b)", &web, true);
        check("app, !gone", &web, true);
        check("!app", &web, false);
        check("n>4,n<6", &web, true);
        check("app=", &[("app", "")], true);
        check("a.b/c in ()", &[("a.b/c", "")], true);
    }

    #[test]
    fn a_label_is_its_value_whatever_stands_in_it() {
        let of = |value: &str| LabelSelector::label("app", value);
        let bears =
            |selector: LabelSelector| selector.matches(|key| (key == "app").then_some("web"));
        assert!(bears(of("web")));
        for other in ["", "web,app", "web,!gone", "a b", "(", "in (web)"] {
            assert!(!bears(of(other)), "{other}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            "a=b=c", "a in b", "a in (b", "=a", "a,", "a>x", "a b", "-a=b", "a=b c",
        ] {
            assert!(LabelSelector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
