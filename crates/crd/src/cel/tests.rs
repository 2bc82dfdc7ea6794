use serde_json::{Value, json};

use cedge_kinds::error::Errors;

use super::types::declared::Declared;
use super::{check, validate_rules};
use crate::node::Node;

fn rules(schema: &Value, value: &Value, old: Option<&Value>) -> Vec<String> {
    let mut errors = Errors::new();
    validate_rules(value, old, &Node::compile(schema), &mut errors);
    errors.0.iter().map(ToString::to_string).collect()
}

fn spec(rule: &Value, properties: &Value) -> Value {
    json!({"type": "object", "properties": {"spec": {
        "type": "object", "properties": properties, "x-kubernetes-validations": [rule]}}})
}

#[test]
fn a_rule_that_holds_says_nothing() {
    let schema = spec(
        &json!({"rule": "self.min <= self.max"}),
        &json!({"min": {"type": "integer"}, "max": {"type": "integer"}}),
    );
    assert!(rules(&schema, &json!({"spec": {"min": 1, "max": 2}}), None).is_empty());
}

#[test]
fn a_rule_that_fails_uses_its_own_words() {
    let properties = json!({"min": {"type": "integer"}, "max": {"type": "integer"}});
    let value = json!({"spec": {"min": 3, "max": 2}});
    for (rule, expected) in [
        (
            json!({"rule": "self.min <= self.max"}),
            "spec: Invalid value: failed rule: self.min <= self.max",
        ),
        (
            json!({"rule": "self.min <= self.max", "message": "min first"}),
            "spec: Invalid value: min first",
        ),
        (
            json!({"rule": "self.min <= self.max", "messageExpression": "'min is ' + string(self.min)"}),
            "spec: Invalid value: min is 3",
        ),
        (
            json!({"rule": "self.min <= self.max", "message": "no", "reason": "FieldValueForbidden", "fieldPath": ".min"}),
            "spec.min: Forbidden: no",
        ),
        (
            json!({"rule": "self.x == 1"}),
            "spec: Invalid value: \"object\": no such key: x evaluating rule: self.x == 1",
        ),
    ] {
        assert_eq!(
            rules(&spec(&rule, &properties.clone()), &value, None),
            [expected]
        );
    }
}

#[test]
fn scalars_show_their_value() {
    let schema = json!({"type": "object", "properties": {"n": {
        "type": "integer", "x-kubernetes-validations": [{"rule": "self > 5", "message": "small"}]}}});
    assert_eq!(
        rules(&schema, &json!({"n": 3}), None),
        ["n: Invalid value: 3: small"]
    );
}

#[test]
fn a_transition_rule_needs_an_old_value() {
    let schema = json!({"type": "object", "properties": {"n": {
        "type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed"}]}}});
    let (a, b) = (json!({"n": "a"}), json!({"n": "b"}));
    assert!(rules(&schema, &b, None).is_empty());
    assert!(rules(&schema, &a, Some(&a)).is_empty());
    assert_eq!(
        rules(&schema, &b, Some(&a)),
        ["n: Invalid value: \"b\": fixed"]
    );
}

#[test]
fn an_optional_old_value_may_be_absent() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "string", "x-kubernetes-validations": [
        {"rule": "oldSelf.hasValue() || self == 'first'", "optionalOldSelf": true, "message": "first"}]}}});
    assert!(rules(&schema, &json!({"n": "first"}), None).is_empty());
    assert_eq!(
        rules(&schema, &json!({"n": "x"}), None),
        ["n: Invalid value: \"x\": first"]
    );
    assert!(rules(&schema, &json!({"n": "x"}), Some(&json!({"n": "y"}))).is_empty());
}

#[test]
fn what_did_not_change_is_not_judged_again() {
    let schema = json!({"type": "object", "properties": {"n": {
        "type": "integer", "x-kubernetes-validations": [{"rule": "self > 5"}]}, "m": {"type": "integer"}}});
    let old = json!({"n": 1, "m": 1});
    assert!(rules(&schema, &json!({"n": 1, "m": 2}), Some(&old)).is_empty());
}

#[test]
fn items_of_a_keyed_list_meet_their_former_selves() {
    let schema = json!({"type": "object", "properties": {"l": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "fell"}]}}}});
    let old = json!({"l": [{"k": "a", "v": 1}, {"k": "b", "v": 5}]});
    let new = json!({"l": [{"k": "b", "v": 4}, {"k": "a", "v": 2}, {"k": "c", "v": 0}]});
    assert_eq!(
        rules(&schema, &new, Some(&old)),
        ["l[0]: Invalid value: fell"]
    );
}

#[test]
fn formats_and_escaped_names_are_typed() {
    let schema = spec(
        &json!({"rule": "self.t < timestamp('2027-01-01T00:00:00Z') && self.d > duration('1m') && self.a__dash__b == 1 && self.__namespace__ == 'x'"}),
        &json!({"t": {"type": "string", "format": "date-time"}, "d": {"type": "string", "format": "duration"},
            "a-b": {"type": "integer"}, "namespace": {"type": "string"}}),
    );
    let value =
        json!({"spec": {"t": "2026-01-01T00:00:00Z", "d": "2m", "a-b": 1, "namespace": "x"}});
    assert_eq!(rules(&schema, &value, None), [] as [&str; 0]);
}

#[test]
fn patterns_that_a_rule_makes_up_are_paid_for() {
    let properties = json!({"l": {"type": "array", "items": {"type": "string"}}});
    let items: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let value = json!({"spec": {"l": items}});
    let told = |rule: &str| rules(&spec(&json!({"rule": rule}), &properties), &value, None);
    let large =
        r"self.l.all(x, x.matches('(\\w{' + string(1 + int(x) % 50) + '}){' + x + '}') || true)";
    let spent = told(large);
    assert!(spent[0].contains("cost limit exceeded"), "{spent:?}");
    assert_eq!(told("self.l.all(x, x.matches('^[0-9]+$'))"), [""; 0]);
    assert_eq!(
        told("self.l[12].find('2') == '2' && self.l[11].findAll('1').size() == 2"),
        [""; 0]
    );
    assert!(told("self.l[0].matches('(')")[0].contains("error parsing regexp"));
}

#[test]
fn a_hostile_rule_runs_out_of_budget() {
    let schema = spec(
        &json!({"rule": "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))"}),
        &json!({"l": {"type": "array", "items": {"type": "integer"}}}),
    );
    let list: Vec<i32> = (0..1000).collect();
    let found = rules(&schema, &json!({"spec": {"l": list}}), None);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("actual cost limit exceeded"), "{found:?}");
}

#[test]
fn a_rule_that_cannot_be_parsed_is_known_before_it_runs() {
    let node = |rule: &str| {
        Node::compile(
            &json!({"type": "object", "properties": {"a": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": rule}]}),
        )
    };
    let check = |rule: &str| {
        let node = node(rule);
        let declared = Declared::of(&node, false).unwrap();
        check::rule(&node.rules[0], &declared).err()
    };
    assert_eq!(check("self.a == 'x'"), None);
    assert_eq!(check("[1, 2].all(x, x > 0) && has(self.a)"), None);
    assert_eq!(
        check("self.b == 1").unwrap(),
        "compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b == 1\n | ....^"
    );
    assert_eq!(
        check("foo == 1").unwrap(),
        "compilation failed: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^"
    );
    assert_eq!(
        check("self.a").unwrap(),
        "cel expression must evaluate to a bool"
    );
    assert!(
        check("self.a ==")
            .unwrap()
            .starts_with("compilation failed: ERROR: <input>:1:10: ")
    );
    assert!(check("Foo{a: 1} == Foo{a: 1}").is_some());
}

#[test]
fn deep_and_long_expressions_are_refused() {
    let deep = format!("{}1{} == 1", "(".repeat(500), ")".repeat(500));
    let chain = format!("{} == 1", vec!["1"; 3000].join("+"));
    let long = format!("'{}' == ''", "a".repeat(20_000));
    for text in [deep, chain, long, format!("{}true", "!".repeat(3000))] {
        let outcome = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || super::Expression::compile(&text).is_err())
            .unwrap()
            .join();
        assert!(outcome.unwrap());
    }
}

#[test]
fn loops_over_two_variables_and_sorting_run() {
    let properties = json!({
        "list": {"type": "array", "maxItems": 9, "items": {"type": "string", "maxLength": 9}},
        "map": {"type": "object", "maxProperties": 9,
            "additionalProperties": {"type": "integer"}},
    });
    let value = json!({"spec": {"list": ["b", "c", "a"], "map": {"x": 2, "y": 1}}});
    for (rule, holds) in [
        ("self.list.all(i, v, i < 3 && v != 'd')", true),
        ("self.list.all(i, v, i < 2)", false),
        ("self.list.exists(i, v, i == 2 && v == 'a')", true),
        ("self.list.existsOne(i, v, i < 2)", false),
        ("self.map.exists(k, v, k == 'y' && v == 1)", true),
        ("self.map.all(k, v, v < 2)", false),
        (
            "self.list.transformList(i, v, i > 0, v + v) == ['cc', 'aa']",
            true,
        ),
        ("self.map.transformList(k, v, k) == ['x', 'y']", true),
        (
            "self.map.transformMap(k, v, v + 1) == {'x': 3, 'y': 2}",
            true,
        ),
        ("self.map.transformMap(k, v, v > 1, k) == {'x': 'x'}", true),
        (
            "self.list.transformMapEntry(i, v, {v: i}) == {'a': 2, 'b': 0, 'c': 1}",
            true,
        ),
        ("self.list.sortBy(v, v) == ['a', 'b', 'c']", true),
        ("self.list.sortBy(v, v == 'b' ? 0 : 1)[0] == 'b'", true),
        (
            "self.list.all(i, v, self.list.exists(j, w, j == i && w == v))",
            true,
        ),
        ("self.list.map(v, v).exists(i, v, i == 0)", true),
    ] {
        let schema = spec(&json!({"rule": rule, "message": "no"}), &properties);
        let said = rules(&schema, &value, None);
        let expected: &[&str] = if holds {
            &[]
        } else {
            &["spec: Invalid value: no"]
        };
        assert_eq!(said, expected, "{rule}");
    }
    let twice = json!({"rule": "self.list.transformMapEntry(i, v, {'a': i}).size() == 3"});
    let said = rules(&spec(&twice, &properties), &value, None).join("");
    assert!(
        said.contains("insert failed: key a already exists"),
        "{said}"
    );
}

#[test]
fn optional_values_types_and_conversions_run() {
    let properties = json!({
        "s": {"type": "string", "maxLength": 9}, "missing": {"type": "string", "maxLength": 9},
        "n": {"x-kubernetes-int-or-string": true},
    });
    let value = json!({"spec": {"s": "a", "n": 5}});
    for rule in [
        "self.?missing.orValue('x') == 'x' && !self.?missing.hasValue()",
        "self.?s.optMap(v, v + '!').hasValue()",
        "[?self.?missing, 'a'].size() == 1 && {?'a': self.?missing}.size() == 0",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
        "optional.unwrap([optional.of(1), optional.none()]) == [1]",
        "type(self.n) == int ? self.n > 4 : self.n == '5'",
        "type(self.s) == string && type([]) == list && type(type(1)) == type",
        "string(true) == 'true' && string(duration('90s')) == '90s' && bool('T')",
        "int(timestamp('2024-02-03T04:05:06Z')) == 1706933106",
        "timestamp('2024-02-03T04:05:06Z').getHours('+01:30') == 5",
        "timestamp('2024-02-03T04:05:06Z').getMinutes('-00:30') == 35",
        "format.named('dns1123Label').hasValue() && !format.named('none').hasValue()",
    ] {
        let said = rules(&spec(&json!({"rule": rule}), &properties), &value, None);
        assert!(said.is_empty(), "{rule}: {said:?}");
    }
}

#[test]
fn literals_that_no_function_takes_are_refused_at_once() {
    let schema = json!({"type": "object", "properties": {"s": {"type": "string"}}});
    let declared = Declared::of(&Node::compile(&schema), false).unwrap();
    for (rule, expected) in [
        (
            "timestamp('x') != timestamp('2024-02-03T04:05:06Z')",
            "invalid timestamp argument",
        ),
        (
            "duration('x') != duration('1s')",
            "invalid duration argument",
        ),
        ("self.s.matches('(')", "invalid matches argument"),
        (
            "int('x') == 1",
            "program instantiation failed: type conversion error from 'string' to 'int'",
        ),
    ] {
        let schema = json!({"type": "object", "properties": {"s": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": rule}]});
        let node = Node::compile(&schema);
        let said = check::rule(&node.rules[0], &declared).unwrap_err();
        assert!(said.contains(expected), "{rule}: {said}");
    }
}
