use super::checker::Checked;
use crate::cel::Expression;

fn checked(text: &str) -> Checked {
    let expression = Expression::compile(text).unwrap();
    Checked::new(expression.plain(), &[])
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = checked(text).mistakes.into_iter();
    mistakes.map(|(_, message)| message).collect()
}

#[test]
fn a_result_has_the_type_that_its_parts_give_it() {
    for (text, wanted) in [
        ("[1, 2].map(x, string(x))", "list(string)"),
        ("{'a': [1]}['a'][0]", "int"),
        ("[[]]", "list(list(dyn))"),
        ("[] + [1]", "list(int)"),
        ("optional.of(1).optMap(x, [x])", "optional_type(list(int))"),
        ("{'a': 1}.transformList(k, v, k)", "list(string)"),
        ("['b'].sortBy(x, x)", "list(string)"),
        ("dyn(1) + 2", "int"),
        ("type(1) == int", "bool"),
        ("ip('1.2.3.4')", "net.IP"),
        ("sets.contains([1], [2])", "bool"),
    ] {
        let found = checked(text);
        assert_eq!(found.mistakes, [], "{text}");
        assert_eq!(found.result().to_string(), wanted, "{text}");
    }
}

#[test]
fn what_does_not_fit_is_told_once() {
    assert_eq!(
        mistakes("(1 + 'a') + 2 == 3"),
        ["found no matching overload for '_+_' applied to '(int, string)'"]
    );
    assert_eq!(
        mistakes("'a'.nope() && nope"),
        [
            "undeclared reference to 'nope' (in container '')",
            "undeclared reference to 'nope' (in container '')"
        ]
    );
    assert_eq!(mistakes("'%d'.format([1, 'a']) == ''"), [""; 0]);
}

#[test]
fn a_type_that_doubles_with_every_step_stays_small() {
    let steps: String = (0..60)
        .map(|n| format!(".map(x{n}, {{x{n}: x{n}}})"))
        .collect();
    let found = checked(&format!("[1]{steps}.size() > 1"));
    assert_eq!(found.mistakes, []);
}

#[test]
fn a_chain_of_macros_exhausts_neither_stack_nor_memory() {
    for step in [".sortBy(x, x)", ".optMap(x, x)", ".all(i, x, true)"] {
        let text = format!("[1]{}", step.repeat(90));
        let outcome = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || {
                let expression = Expression::compile(&text);
                expression.map(|e| Checked::new(e.plain(), &[]).mistakes.len())
            })
            .unwrap()
            .join();
        assert!(outcome.is_ok(), "{step}");
    }
}
