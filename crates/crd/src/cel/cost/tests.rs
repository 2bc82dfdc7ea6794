use serde_json::{Value, json};

use super::most;
use crate::cel::Expression;
use crate::cel::types::Type;
use crate::cel::types::checker::Checked;
use crate::cel::types::declared::Declared;
use crate::node::Node;

/// What an expression costs at most over these properties.
fn cost(properties: &Value, rule: &str) -> u64 {
    let node = Node::compile(&json!({"type": "object", "properties": properties}));
    let declared = Declared::of(&node, false).unwrap();
    let own = Declared::kind(&declared);
    let expression = Expression::compile(rule).unwrap();
    let checked = Checked::new(expression.plain(), &[("self", own)]);
    assert_eq!(checked.mistakes, [], "{rule}");
    assert!(matches!(checked.result(), Type::Plain("bool")), "{rule}");
    most(&checked, &declared)
}

fn text(most: u64) -> Value {
    json!({"type": "string", "maxLength": most})
}

#[test]
fn a_text_costs_a_tenth_of_its_bytes() {
    let schema = json!({"a": text(1000), "b": text(10)});
    // Two variables, two fields, and the shorter of both, at four bytes a character.
    assert_eq!(cost(&schema, "self.a == self.b"), 4 + 4);
    assert_eq!(cost(&schema, "self.a.contains(self.b)"), 4 + 400 * 4);
}

#[test]
fn a_loop_costs_its_turns() {
    let schema = json!({"l": {"type": "array", "maxItems": 50, "items": {"type": "integer"}}});
    let turn = 2 + 1 + 1 + 1; // whether to go on, the result so far, the item, the comparison
    assert_eq!(cost(&schema, "self.l.all(x, x > 1)"), 2 + 50 * turn + 1);
}

#[test]
fn what_has_no_limit_is_as_large_as_a_request() {
    let schema = json!({"l": {"type": "array", "items": {"type": "string"}}});
    // An empty text and a comma have three bytes.
    let turns = (3 * 1024 * 1024 - 2) / 3;
    assert_eq!(cost(&schema, "self.l.all(x, true)"), 2 + turns * 3 + 1);
}

#[test]
fn a_macro_costs_what_it_is_made_of() {
    let schema = json!({"a": text(10)});
    let plain = cost(&schema, "self.a == 'x'");
    let optional = cost(&schema, "self.?a.optMap(x, x == 'x').orValue(false)");
    assert!(optional > plain, "{optional} {plain}");
}
