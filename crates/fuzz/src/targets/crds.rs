//! Definitions of kinds: their schemas, columns and expressions.

use cedge_crd::cel::validate_rules;
use cedge_crd::node::Node;
use cedge_crd::{CustomKind, validate_create, validate_update};
use cedge_kinds::Errors;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::seeds;

/// A rule upon an object with a field of each type.
pub(super) fn cel(data: &[u8]) {
    let Ok(rule) = std::str::from_utf8(data) else {
        return;
    };
    let schema = json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": rule, "messageExpression": rule}],
        "properties": {
            "s": {"type": "string"}, "n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string"}},
            "m": {"type": "object", "additionalProperties": {"type": "integer"}}, "b": {"type": "boolean"},
        },
    });
    let object = json!({"s": "abc", "n": 7, "l": ["x", "y", "z"], "m": {"k": 1}, "b": true});
    let node = Node::compile(&schema);
    let mut errors = Errors::default();
    validate_rules(&object, Some(&object), &node, &mut errors);
}

pub(super) fn expressions() -> Vec<Vec<u8>> {
    seeds(&[
        "self.n > 3 && self.s.startsWith('a') || !self.b",
        "self.l.all(x, size(x) == 1) && self.l.exists_one(x, x == 'y')",
        "self.m.map(k, self.m[k] + 1).filter(v, v > 1).size() > 0",
        "has(self.n) ? self.n == oldSelf.n : false",
        "self.s.matches('^[a-z]+$') && self.s.find('b') == 'b' && self.s.split('')[0] in self.l",
        "quantity('1Gi').isGreaterThan(quantity('1Mi')) && url('http://a/b').getHost() == 'a'",
        "timestamp('2020-01-01T00:00:00Z') + duration('1h') > timestamp('2019-01-01T00:00:00Z')",
        "[1, 2, 3].sum() == 6 && {'a': [b'x', 1.5, 2u, null]}.size() == 1",
        "self.l.sortBy(x, x).isSorted() && '%d %s'.format([1, 'a']) == '1 a'",
        "optional.of(1).orValue(2) == 1 && ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.1.1')",
    ])
}

/// A definition, judged, compiled, and asked about an object.
pub(super) fn definition(data: &[u8]) {
    let Ok(definition) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let _ = validate_create(&definition).len();
    let _ = validate_update(&definition, &definition).len();
    let Ok(kind) = CustomKind::compile(&definition) else {
        return;
    };
    for name in ["v1", "v1beta1"] {
        let Some(version) = kind.version(name) else {
            continue;
        };
        let mut object = json!({
            "apiVersion": "fuzz.io/v1", "kind": "Thing", "metadata": {"name": "a"},
            "spec": {"a": 1, "replicas": 2, "list": [{"k": "x"}], "x": {"y": null}}, "status": {},
        });
        let _ = version.decode(&mut object);
        version.default(&mut object);
        version.prepare_create(&mut object);
        let _ = version.row(&object, Timestamp::UNIX_EPOCH).len();
        let _ = version.scale_of(&object);
        version.set_replicas(&mut object, 3);
    }
}

pub(super) fn definitions() -> Vec<Vec<u8>> {
    let schema = json!({
        "type": "object", "properties": {"spec": {
            "type": "object", "required": ["a"],
            "properties": {
                "a": {"type": "integer", "default": 3, "minimum": 1, "enum": [1, 3]},
                "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                    "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string", "pattern": "^x+$", "format": "date-time"}}}},
                "x": {"x-kubernetes-preserve-unknown-fields": true},
                "i": {"x-kubernetes-int-or-string": true},
            },
            "oneOf": [{"required": ["a"]}, {"not": {"required": ["x"]}}],
            "x-kubernetes-validations": [{"rule": "self.a > 0", "message": "m", "fieldPath": ".a", "reason": "FieldValueInvalid"}],
        }},
    });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.fuzz.io"},
        "spec": {
            "group": "fuzz.io", "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "selectableFields": [{"jsonPath": ".spec.a"}],
                "additionalPrinterColumns": [{"name": "A", "type": "integer", "jsonPath": ".spec.list[?(@.k=='x')].k"}]}],
        },
    });
    vec![definition.to_string().into_bytes()]
}
